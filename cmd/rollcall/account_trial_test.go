package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestA15_Trials(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		s := startServer(t, url, "")
		ada := s.user("default", "ada", "")
		path := "/api/v1/users/" + ada.id + "/trial"
		holds := func(a answer, exists, valid, expired bool) {
			t.Helper()
			if a.body["exists"] != exists || a.body["valid"] != valid || a.body["expired"] != expired {
				t.Errorf("trial = %s, want exists %v, valid %v, expired %v", a.text, exists, valid, expired)
			}
		}
		holds(s.want(200, "GET", path, ""), false, false, false)
		now := time.Now()
		dates := func(from, to time.Time) string {
			return fmt.Sprintf(`{"grantedOn":%d,"expiresOn":%d}`, from.UnixMilli(), to.UnixMilli())
		}
		a := s.want(200, "PUT", path, dates(now, now.AddDate(0, 1, 0)))
		holds(a, true, true, false)
		if a.body["expiresOn"] != float64(now.AddDate(0, 1, 0).UnixMilli()) {
			t.Errorf("expiresOn = %s, want milliseconds", a.text)
		}
		holds(ada.want(200, "GET", path, ""), true, true, false)
		ada.want(403, "PUT", path, dates(now, now.AddDate(9, 0, 0)))
		ada.want(403, "PATCH", "/scim/v2/Me", userPatch(`{"op":"replace","path":"`+urnAccount+`:trial.expiresOn","value":"2099-01-01T00:00:00Z"}`))
		s.want(400, "PUT", path, dates(now, now.AddDate(0, -1, 0)))
		s.want(400, "PUT", path, `{}`)
		// SCIM has the dates as dateTime, and the flags for those who ask.
		shown := s.want(200, "GET", "/scim/v2/Users/"+ada.id+"?attributes="+urnAccount+":trial.valid,"+urnAccount+":trial.expiresOn", "")
		trial, _ := shown.body[urnAccount].(map[string]any)["trial"].(map[string]any)
		if trial["valid"] != true || !strings.HasSuffix(fmt.Sprint(trial["expiresOn"]), "Z") {
			t.Errorf("trial in SCIM = %s", shown.text)
		}
		if n := s.total("/scim/v2/Users?filter=" + urnAccount + ":trial.grantedOn+pr"); n != 1 {
			t.Errorf("%d have a trial, want 1", n)
		}
		holds(s.want(200, "PUT", path, dates(now.AddDate(0, -1, 0), now)), true, false, true)
		ada.want(200, "GET", "/scim/v2/Me", "") // the end of a trial alone locks nobody out

		s.want(200, "PATCH", "/api/v1/settings", `{"trialEndDisables":true}`)
		ada.refusedSoon("the trial is over")
		if a := s.tryLogin("", "ada", goodPassword, "192.0.2.4"); a.code != 401 {
			t.Errorf("login after the end of the trial = %d", a.code)
		}
		for deadline := time.Now().Add(time.Minute); s.want(200, "GET", "/scim/v2/Users/"+ada.id, "").body["active"] != false; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the account is not disabled after a minute")
			}
		}
		for _, args := range [][]string{{"trial", "grant", "ada", "--days", "3"}, {"trial", "show", "ada"}, {"trial", "list"}, {"trial", "expire", "ada"}} {
			if code, out, errs := s.cli(args...); code != exitDone {
				t.Errorf("rollcall %v = %d %s%s", args, code, out, errs)
			}
		}
	})
}
