package api

import (
	"net/http"
	"strconv"

	"rollcall/scim"
)

// user is an account as SCIM shows it.
type user map[string]any

func (a *api) userBody(r *http.Request, workspace string, s *scim.Stored) (user, error) {
	res, err := s.Resource()
	if err != nil {
		return nil, err
	}
	body := res.Attributes
	schemas := []string{scim.UserURN}
	for _, urn := range []string{scim.EnterpriseURN, scim.AccountUserURN} {
		if body[urn] != nil {
			schemas = append(schemas, urn)
		}
	}
	const stamp = "2006-01-02T15:04:05.000Z"
	meta := map[string]any{
		"resourceType": s.Type, "created": s.Created.UTC().Format(stamp), "lastModified": s.LastModified.UTC().Format(stamp),
		"version": `W/"` + strconv.FormatUint(uint64(s.Version), 10) + `"`,
	}
	base := ""
	if a.BaseURL != nil {
		base, _ = a.BaseURL(r)
	}
	base += "/w/" + workspace + "/scim/v2/"
	meta["location"] = base + "Users/" + s.ID
	body["schemas"], body["id"], body["meta"] = schemas, s.ID, meta
	if s.ExternalID != "" {
		body["externalId"] = s.ExternalID
	}
	if len(s.Groups) > 0 {
		groups := make([]map[string]any, len(s.Groups))
		for i, g := range s.Groups {
			kind := "indirect"
			if g.Direct {
				kind = "direct"
			}
			groups[i] = map[string]any{"value": g.ID, "display": g.Display, "type": kind, "$ref": base + "Groups/" + g.ID}
		}
		body["groups"] = groups
	}
	return body, nil
}
