// Package prose holds pages, comments and messages against the style of the Kubernetes
// documentation, as far as a list of words can.
package prose

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rule is a way to write that costs readers.
type rule struct {
	// finds matches it.
	finds *regexp.Regexp

	// instead says what to write.
	instead string

	// example is a text that the rule finds.
	example string
}

func word(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)(?:^|[\s("'])(` + pattern + `)(?:[\s.,:;)"'!?]|$)`)
}

// rules are those of the Kubernetes style guide that a pattern can find, and words that this
// repository used to have.
// https://kubernetes.io/docs/contribute/style/style-guide/
var rules = map[string]rule{
	"please":    {word(`please`), "ask without it", "Please report it."},
	"simple":    {word(`simply|easy|easily|obviously|of course|just (a|an|the|add|call|run|set|use)`), "leave it out: it is not so to everybody", "It is easily done."},
	"latin":     {word(`e\.g\.?|i\.e\.?|etc\.?|via|vs\.?`), "for example, that is, and so on, through", "Found via DNS."},
	"future":    {regexp.MustCompile(`(?i)\w (will|shall) \w`), "the present tense", "The pod will restart."},
	"dated":     {word(`currently|nowadays|at the moment|as of now`), "leave it out, or name the version", "It currently holds."},
	"we":        {regexp.MustCompile(`\b(we|our|us|We|Our|Let's|let's)\b`), "you, or who does it", "We create a pod."},
	"note that": {word(`note that|please note`), "say it", "Note that it restarts."},
	"long":      {word(`in order to|utili[sz]es?|leverages?|prior to|is able to|are able to`), "to, use, before, can", "In order to start."},
	"old":       {word(`hence|thus|thereby|whereby|thereof|whilst|upon|lest|anew`), "a plain word: so, while, on, again", "It is created anew."},
	"runs on":   {regexp.MustCompile(`(?i)\b(servers?|pods?|it|they|one|which|that|and) runs? on(?:[.,;:)]| as it is| unchanged|$)`), "keeps running", "The server runs on."},
	"but for":   {regexp.MustCompile(`(?i)\b(all|any|nothing|none|same|everything|\w+s),? but for\b`), "except", "All but for one."},
	"is told":   {regexp.MustCompile(`(?i)\b(is|are|was|were|be|been) told(?:[.,;:]|$| (with|of|as|once|at|by|in)\b)`), "is reported, or who says it", "A key that is missing is told."},
	"is to":     {word(`(is|are) to (be|have|get|become)`), "must, should, or the present tense", "It is to have 2Gi."},
	"clear":     {word(`in the clear|clear passwords?`), "in plain text, a plain password", "A password in the clear."},
	"small":     {word(`small letters`), "lowercase letters", "Up to 15 small letters."},
	"names":     {regexp.MustCompile(`(?:^|[\s(])(kubernetes|postgresql|github|Github|k8s|K8s|yaml|Configmaps?|Statefulsets?)(?:\.?\s|[,:;)"'!?]|\.?$)`), "the name as its owner writes it", "A kubernetes cluster."},
	"here":      {regexp.MustCompile(`(?i)\[(here|this page|this link|click here)\]`), "a link that says where it leads", "See [here]."},
}

// riddle matches a statement whose subject is a question: the reader must hold all of it in
// mind before knowing of what it speaks.
var riddle = regexp.MustCompile(`^(What|Who|Whoever|Whatever) .*\.$`)

// maxWords is what a sentence may have. Lists of values are cells, items or code.
const maxWords = 30

// end is where a sentence ends.
var end = regexp.MustCompile(`[.!?:]["')]*\s+`)

// sentences of a paragraph, on one line each.
func sentences(text string) []string {
	text = strings.Join(strings.Fields(url.ReplaceAllString(text, "URL")), " ")

	var all []string

	for {
		at := end.FindStringIndex(text)
		if at == nil {
			return append(all, text)
		}

		all = append(all, strings.TrimSpace(text[:at[1]]))
		text = text[at[1]:]
	}
}

// faults returns what is wrong with a text.
func faults(text string) []string {
	var all []string

	for _, s := range sentences(text) {
		for name, r := range rules {
			if m := r.finds.FindString(s); m != "" {
				all = append(all, fmt.Sprintf("%s: %q: write %s: %s", name, strings.TrimSpace(m), r.instead, s))
			}
		}

		words := len(strings.Fields(s))
		if words > maxWords {
			all = append(all, fmt.Sprintf("length: %d words: make two sentences of it: %s", words, s))
		}

		if riddle.MatchString(s) && words > 5 {
			all = append(all, "riddle: begin with the thing, not with What or Who: "+s)
		}
	}

	slices.Sort(all)

	return all
}

// Every rule finds its example, which breaks no other rule.
func TestFaults(t *testing.T) {
	cases := map[string]struct {
		reason string
		text   string
		want   []string
	}{
		"Plain":      {"It says who does what, in the present tense.", "The function restarts the server.\nIt waits for approval.", nil},
		"Riddle":     {"The subject comes first.", "What Crossplane is not given to keep, it deletes.", []string{"riddle"}},
		"Question":   {"A question is one.", "What restarts a server, and what does not?", nil},
		"Heading":    {"A heading is short.", "What waits for approval", nil},
		"Long":       {"Nobody keeps so many words in mind.", strings.Repeat("word ", maxWords) + "word.", []string{"length"}},
		"Sentences":  {"Each sentence counts by itself.", strings.Repeat("Some words end here. ", maxWords), nil},
		"Domain":     {"A domain is no name.", "See kubernetes.io and provider-kubernetes.", nil},
		"Told":       {"Programs are told to do something.", "A function that is told to stop stops.", nil},
		"Directions": {"A link says where it leads.", "See https://kubernetes.io/via and the [tutorial].", nil},
	}

	for name, r := range rules {
		cases[name] = struct {
			reason string
			text   string
			want   []string
		}{r.instead, r.example, []string{name}}
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string

			for _, fault := range faults(tc.text) {
				rule, _, _ := strings.Cut(fault, ": ")
				got = append(got, rule)
			}

			if !slices.Equal(got, tc.want) {
				t.Errorf("%s\nfaults(%q): want %q, got %q", tc.reason, tc.text, tc.want, got)
			}
		})
	}
}

// Each text has the line that it is on, and no code.
func TestParagraphs(t *testing.T) {
	cases := map[string]struct {
		reason string
		file   string
		text   string
		want   []paragraph
	}{
		"Page": {
			"Headings, items and cells end a paragraph.", "a.md",
			"# Title\nSome `via`\nwords ([link](via.md)).\n- item\n\n```console\nvia\n```\n| a | b |\n",
			[]paragraph{{"a.md", 1, "Title"}, {"a.md", 2, "Some X\nwords ([link])."}, {"a.md", 4, "item"}, {"a.md", 9, "a"}, {"a.md", 9, "b"}},
		},
		"Go": {
			"Comments, and texts outside of tests.", "internal/a.go",
			"// Package a is one.\n//\n//\tvia()\npackage a\n\nimport \"a b\"\n\nvar _ = \"a text\" + \"word\"\n",
			[]paragraph{{"internal/a.go", 1, "Package a is one."}, {"internal/a.go", 8, "a text"}},
		},
		"Help": {
			"Help of flags is in tags.", "cmd/a.go",
			"package a\n\ntype a struct {\n\tB string `help:\"What it is.\" name:\"b c\"`\n}\n",
			[]paragraph{{"cmd/a.go", 4, "What it is."}},
		},
		"Test": {
			"Texts of tests are data.", "internal/a_test.go",
			"// Package a is one.\npackage a\n\nvar _ = \"a text\"\n",
			[]paragraph{{"internal/a_test.go", 1, "Package a is one."}},
		},
		"YAML": {
			"Comments, and texts of alerts.", "a.yaml",
			"# One\n# comment.\na: b # two\nsummary: It fails.\n",
			[]paragraph{{"a.yaml", 1, "One\ncomment."}, {"a.yaml", 3, "two"}, {"a.yaml", 4, "It fails."}},
		},
		"Make": {
			"The help of targets.", "Makefile",
			"a: b ## Make it\n\t@echo a\n",
			[]paragraph{{"Makefile", 1, "Make it"}},
		},
		"Other": {"Data have no prose.", "go.sum", "via\n", nil},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, paragraphs(t, tc.file, []byte(tc.text)), cmp.AllowUnexported(paragraph{})); diff != "" {
				t.Errorf("%s\nparagraphs(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// Pages, comments and messages are as the list asks.
func TestProse(t *testing.T) {
	checked := map[string]int{}

	for _, file := range files(t) {
		b, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}

		for _, p := range paragraphs(t, file, b) {
			checked[filepath.Ext(file)]++

			for _, fault := range faults(p.text) {
				t.Errorf("%s: %s", p, fault)
			}
		}
	}

	for _, ext := range []string{".md", ".go", ".yaml", ""} {
		if checked[ext] == 0 {
			t.Errorf("no text was found in files of the extension %q", ext)
		}
	}
}
