package main

// AuditConfig is how the audit is sealed, and for how long it is kept.
type AuditConfig struct {
	// Keyring is the file of the keys that the audit is sealed with, made at first use. Every replica
	// needs the same; without it nobody can tell any more whether the audit is whole. Beside it, in
	// a file with .heads behind the name, lies how far each audit had come.
	Keyring string `key:"keyring"`
	// Keep is for how long events, and what proves changes, are kept; 0 for ever.
	Keep Duration `key:"keep"`
}

func auditDefaults() AuditConfig {
	return AuditConfig{Keyring: "rollcall-audit-keyring.json", Keep: 400 * 24 * 60 * 60 * second}
}
