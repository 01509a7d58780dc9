package account

// The pages where links lead, under /console/.
const (
	PageInvitation = "invitation"
	PageReset      = "reset"
)

// LinkPath is what comes behind the base URL, and before the code, in the link to a page.
func LinkPath(page string) string { return "/console/" + page + "?code=" }
