package main

import "testing"

func TestParagraphs(t *testing.T) {
	cases := map[string]struct {
		reason string
		text   string
		want   string
	}{
		"Lines": {
			reason: "A paragraph is one line, and an empty line stays.",
			text:   "One\nparagraph.\n\nThe\nother.",
			want:   "One paragraph.\n\nThe other.",
		},
		"List": {
			reason: "Each item of a list begins a line.",
			text:   "Either of:\n- one\n  that goes on\n- two\n* three",
			want:   "Either of:\n- one\n  that goes on\n- two\n* three",
		},
		"Code": {
			reason: "Code keeps its lines.",
			text:   "As:\n\n\ta: 1\n\tb: 2\n\nSo.",
			want:   "As:\n\n\ta: 1\n\tb: 2\n\nSo.",
		},
		"Empty": {reason: "Nothing stays nothing."},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := paragraphs(tc.text); got != tc.want {
				t.Errorf("%s\nparagraphs(...): got %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
