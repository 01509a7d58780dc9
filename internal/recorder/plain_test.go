package recorder

import (
	"testing"

	"pgregory.net/rapid"
)

// TestPlainHidesNothing: where a text is plain, neither pattern matches it.
func TestPlainHidesNothing(t *testing.T) {
	part := rapid.OneOf(rapid.SampledFrom([]string{
		"pass", "PasW", "pa\u017fsword", "to\u212aen", "pwd", "Passphrase", "SECRET", "token", "credential", "Authorization", "api_Key", "apikey", "Private-key",
		"assertion", "rc_abcdefgh12", "Bearer abcdefgh1", "basic QWxhZGRpbjo=", "eyJabcdefgh1.a.b", " ", "-", "é",
	}), rapid.StringMatching(secretName.String()), rapid.StringMatching(ours.String()), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		text := ""
		for _, s := range rapid.SliceOfN(part, 0, 3).Draw(t, "parts") {
			text += s
		}
		if plain(text) && (secretName.MatchString(text) || ours.MatchString(text)) {
			t.Fatalf("plain(%q) = true, and it hides a secret", text)
		}
	})
}
