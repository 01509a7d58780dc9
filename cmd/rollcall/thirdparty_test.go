package main

import (
	"embed"
	"os"
	"os/exec"
	"testing"

	"rollcall/internal/testserver"
)

//go:embed testdata/npm
var npmFiles embed.FS

// TestThirdPartyClient has SCIM libraries of others from npm, each as it is, make, read, look
// for, change and delete people and groups: testdata/npm/client.mjs.
func TestThirdPartyClient(t *testing.T) {
	testserver.Long(t)
	t.Parallel()
	node := testserver.Need(t, "node")
	s := inProcessServer(t, "")
	cmd := exec.Command(node, "client.mjs", s.base+"/scim/v2")
	cmd.Dir = testserver.NPMFolder(t, npmFiles, "testdata/npm")
	cmd.Env = append(os.Environ(), "TOKEN="+testToken)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "all done\n" {
		t.Fatalf("the client ended with %v:\n%s", err, out)
	}
}
