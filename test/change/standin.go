package change

// certificate and privateKey stand in for those that a composite resource names: a certificate
// that signed itself, valid until 2120, and its key. They are those of example/secrets.yaml.
const (
	certificate = `-----BEGIN CERTIFICATE-----
MIIBlTCCATqgAwIBAgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDEwdleGFtcGxl
MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjASMRAwDgYDVQQDEwdl
eGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOtpXmifJSsgYDocNrs5w
3m5+BtJAeqWWlTD87/pP65BBvsBBaBCvh5vuA6oGH51+AUuehV8iU5gdAvBaYrfV
86N/MH0wDgYDVR0PAQH/BAQDAgKEMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYE
FKXQPWmuIofZLzeMRxNwTpCiuVp7MDsGA1UdEQQ0MDKCFWZpbGVzLWFwaS5zdG9y
YWdlLnN2Y4IZZmlsZXMtbWV0cmljcy5zdG9yYWdlLnN2YzAKBggqhkjOPQQDAgNJ
ADBGAiEAv2GGMss+O2wvz/fegtUnjdIcJ2tCQojQWPTZSeCRqSoCIQCBzPPD6bbU
EQ6wXv7SBJs0UvXi9MLHS2dtv3ACYdUTgQ==
-----END CERTIFICATE-----
`
	privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5nd6AoZrwri09uKu
TQAyq+io6Hm/AYrqc6voMJqtafOhRANCAAQ62leaJ8lKyBgOhw2uznDebn4G0kB6
pZaVMPzv+k/rkEG+wEFoEK+Hm+4DqgYfnX4BS56FXyJTmB0C8Fpit9Xz
-----END PRIVATE KEY-----
`
)
