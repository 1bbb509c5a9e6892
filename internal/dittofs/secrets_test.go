package dittofs

import (
	"strings"
	"testing"
)

func TestCheckFirstPassword(t *testing.T) {
	const (
		// hash is a bcrypt hash, and the rest are what other tools make of "example".
		hash = "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

		around = "has more than a bcrypt hash"
		other  = "looks like a hash other than bcrypt"
	)

	cases := map[string]struct {
		reason string
		value  string
		want   string
	}{
		"Hash":    {reason: "A hash alone is one.", value: hash},
		"CutHash": {reason: "What begins like a hash has an error of its own.", value: hash[:20]},

		"NoUser":         {reason: "htpasswd prints a colon.", value: ":" + hash, want: around},
		"User":           {reason: "htpasswd prints a user.", value: "admin:" + hash, want: around},
		"DoubleQuotes":   {reason: "Quotes of YAML.", value: `"` + hash + `"`, want: around},
		"SingleQuotes":   {reason: "Quotes of a shell.", value: "'" + hash + "'", want: around},
		"OpenQuote":      {reason: "One quote was left.", value: "'" + hash, want: around},
		"Spring":         {reason: "Spring names the algorithm.", value: "{bcrypt}" + hash, want: around},
		"LDAP":           {reason: "LDAP names the algorithm.", value: "{CRYPT}" + hash, want: around},
		"Dovecot":        {reason: "Dovecot names the algorithm.", value: "{BLF-CRYPT}" + hash, want: around},
		"Django":         {reason: "Django names the algorithm.", value: "bcrypt_sha256$" + hash, want: around},
		"ByteOrderMark":  {reason: "An editor on Windows writes it, and it is no white space.", value: "\ufeff" + hash, want: around},
		"ZeroWidth":      {reason: "It is invisible in a web page.", value: "\u200b" + hash, want: around},
		"Compose":        {reason: "Compose files double dollars.", value: strings.ReplaceAll(hash, "$", "$$"), want: around},
		"Shell":          {reason: "A backslash was for a shell.", value: strings.ReplaceAll(hash, "$", `\$`), want: around},
		"Make":           {reason: "Both at once.", value: strings.ReplaceAll(hash, "$", `\$$`), want: around},
		"URL":            {reason: "A URL encodes dollars.", value: strings.ReplaceAll(hash, "$", "%24"), want: around},
		"Key":            {reason: "It is the line of a file.", value: "hash=" + hash, want: around},
		"CutWithin":      {reason: "It need not be whole.", value: "admin:" + hash[:30], want: around},
		"Twice":          {reason: "It was prefixed.", value: "$" + hash, want: around},
		"Fragment":       {reason: "A part of a hash may be a password.", value: hash[7:30]},
		"AlmostVersion":  {reason: "This is no version of bcrypt.", value: "pay$2more$10$please"},
		"DollarsAndTwos": {reason: "This is a password.", value: "$2example$"},

		"Argon2":       {reason: "Of crypt(3).", value: "$argon2id$v=19$m=16,t=2,p=1$ZXhhbXBsZQ$ZXhhbXBsZWV4YW1wbGU", want: other},
		"MD5Crypt":     {reason: "Of crypt(3).", value: "$1$example$S4PwRv4RJ3hTuO1qW1Yfc/", want: other},
		"SHA256Crypt":  {reason: "Of crypt(3).", value: "$5$example$J1t9ePcTZ4gzU2Bm7Eo4X7tmNhXTcMnRCYxXeFCBO15", want: other},
		"SHA512Crypt":  {reason: "Of crypt(3), cut to what the server takes.", value: "$6$example$J1t9ePcTZ4gzU2Bm7Eo4X7tmNhXTcMnRCYxXeFCBO15J1t9ePcTZ4g", want: other},
		"Yescrypt":     {reason: "Of crypt(3).", value: "$y$j9T$example$J1t9ePcTZ4gzU2Bm7Eo4X7tmNhXTcMnRCYxXeFCBO15", want: other},
		"Apache":       {reason: "htpasswd's own.", value: "$apr1$example$S4PwRv4RJ3hTuO1qW1Yfc/", want: other},
		"ApacheUser":   {reason: "htpasswd prints a user.", value: "admin:$apr1$example$S4PwRv4RJ3hTuO1qW1Yfc/", want: other},
		"ApacheDouble": {reason: "Compose files double dollars.", value: "$$apr1$$example$$S4PwRv4RJ3hTuO1qW1Yfc/", want: other},
		"PHP":          {reason: "WordPress has these.", value: "$P$BexampleJ1t9ePcTZ4gzU2Bm7Eo4X7", want: other},
		"Cisco":        {reason: "Routers have these.", value: "$9$exampleexample$J1t9ePcTZ4gzU2Bm7Eo4X7tmNhXTcMnRCYxXeFCBO15", want: other},
		"SHA":          {reason: "htpasswd -s and LDAP.", value: "{SHA}wYbrGvnOXnKqBkEmZYQhRZWUHFE=", want: other},
		"SSHA":         {reason: "LDAP with salt.", value: "{SSHA}wYbrGvnOXnKqBkEmZYQhRZWUHFFleGFtcGxl", want: other},
		"SmallSSHA":    {reason: "Case does not count.", value: "{ssha}wYbrGvnOXnKqBkEmZYQhRZWUHFFleGFtcGxl", want: other},
		"DovecotSHA":   {reason: "Dovecot's.", value: "{SHA256-CRYPT}$5$example$J1t9ePcTZ4gzU2Bm7Eo4X7tmNhXTcMnRCY", want: other},
		"SpringPBKDF2": {reason: "Spring's.", value: "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508f", want: other},
		"DjangoPBKDF2": {reason: "Django's.", value: "pbkdf2_sha256$260000$example$wYbrGvnOXnKqBkEmZYQhRZWUHFE=", want: other},
		"Werkzeug":     {reason: "Flask's.", value: "pbkdf2:sha256:260000$example$5d923b44a6d129f3ddf3e3c8d2941272", want: other},
		"PostgreSQL":   {reason: "PostgreSQL's own.", value: "md55d923b44a6d129f3ddf3e3c8d2941272", want: other},
		"MySQL":        {reason: "MySQL's own.", value: "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4", want: other},

		"Clear":          {reason: "A password.", value: "example-password"},
		"Hexadecimal":    {reason: "openssl rand -hex 16 makes such passwords.", value: "5d923b44a6d129f3ddf3e3c8d2941272"},
		"Base64":         {reason: "openssl rand -base64 24 makes such passwords.", value: "wYbrGvnOXnKqBkEmZYQhRZWUHFFleGFt"},
		"Dollars":        {reason: "Dollars are letters as others are.", value: "$1$million$or$6$apples"},
		"WordOfAHash":    {reason: "A word as such is no hash.", value: "I love md5$ and bcrypt$"},
		"Braces":         {reason: "Braces are letters as others are.", value: "{example}-{sha}-password"},
		"NameInBraces":   {reason: "The name of an algorithm makes the difference.", value: "{example}wYbrGvnOXnKqBkEmZYQhRZWUHFE="},
		"StarAndNumbers": {reason: "MySQL's have a length.", value: "*6C8989366EAF75BB"},
	}

	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := CheckFirstPassword([]byte(tc.value))
			if kind, _, _ := strings.Cut(got, ", "); kind != tc.want {
				t.Errorf("%s\nCheckFirstPassword(%q): want %q, got %q", tc.reason, tc.value, tc.want, got)
			}
		})
	}
}
