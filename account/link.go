package account

// The pages where links lead, under /console/.
const (
	PageInvitation = "invitation"
	PageReset      = "reset"
	PageVerify     = "verify"  // a registration
	PageAddress    = "address" // a new e-mail address
)

// LinkPath is what comes behind the base URL, and before the code, in the link to a page.
func LinkPath(page string) string { return "/console/" + page + "?code=" }

func pageOf(use codeUse) string {
	return map[codeUse]string{codeInvitation: PageInvitation, codeReset: PageReset, codeRegistration: PageVerify, codeAddress: PageAddress}[use]
}
