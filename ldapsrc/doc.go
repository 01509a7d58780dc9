// Package ldapsrc reads people and groups out of a directory: an LDAP server, or an
// LDIF file. It is a sync.Source and no more: it maps entries to SCIM attributes and
// proves that a read was whole; what to do about them is for package sync to judge.
// It writes nothing to a directory, follows no referral that it was not told to, and is the only
// importer of go-ldap.
//
// Start with Config (source.go), then mapping.go (pure: an entry in, SCIM attributes out,
// as presets/*.json say) and members.go (member DNs to stable ids, groups in groups).
// How an LDAP read works is in dial.go (connect, TLS, bind), tap.go (entries taken off
// go-ldap's connection before its decoder sees them), ber.go (read in place) and
// complete.go (the proof that nothing is missing).
package ldapsrc
