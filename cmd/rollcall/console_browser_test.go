package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"rollcall/internal/testserver"
)

// TestConsoleInABrowser signs in with Chromium, makes an account, edits it and sees it, on a screen 320
// pixels wide: no page is wider than that, breaks its own policy, or asks another server for anything.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	s := accountServer(t, "bolt:"+filepath.Join(t.TempDir(), "rollcall.db"))
	s.makeUser("default", "boss", "admin")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testserver.Need(t, "chromium")), chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(2*time.Minute))
	alloc, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	ctx, cancel := chromedp.NewContext(alloc)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()

	var mu sync.Mutex
	var complaints []string
	asked := 0
	if err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if !strings.Contains(e.Entry.URL, "favicon") && !strings.HasSuffix(e.Entry.URL, "/nothing") { // which are not there
				complaints = append(complaints, e.Entry.Text)
			}
		case *network.EventRequestWillBeSent:
			asked++
			if !strings.HasPrefix(e.Request.URL, s.base) && !strings.HasPrefix(e.Request.URL, "data:") { // the browser's own icons
				complaints = append(complaints, "it asked for "+e.Request.URL)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	// do does something, and says what the page that it ends at says.
	do := func(what string, actions ...chromedp.Action[chromedp.Void]) string {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		wide, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - window.innerWidth`))
		if err != nil || wide > 0 {
			t.Errorf("%s: the page is %d pixels too wide for a screen of 320 (%v)", what, wide, err)
		}
		shown, err := chromedp.Run(ctx, chromedp.Text("main"))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return shown
	}
	do("open", chromedp.EmulateViewport(320, 640), chromedp.Navigate(s.base+"/console/login"))
	do("sign in", chromedp.SendKeys("#userName", "boss"), chromedp.SendKeys("#password", goodPassword+"\r"), chromedp.WaitVisible("#edit"))
	do("list", chromedp.Navigate(s.base+"/console/people"), chromedp.Click(`a[href$="people/new"]`), chromedp.WaitVisible("#volumes"))
	shown := do("create", chromedp.SendKeys("#userName", "ada"), chromedp.SendKeys("#displayName", "Ada"), chromedp.SendKeys("#password", goodPassword),
		chromedp.Submit("#userName"), chromedp.WaitVisible("#edit"), chromedp.WaitVisible(".notice"))
	if !strings.Contains(shown, "The account was created.") {
		t.Errorf("after the form for a new account: %s", shown)
	}
	do("edit", chromedp.SetValue("#displayName", "Ada Lovelace"), chromedp.Submit("#displayName"), chromedp.WaitVisible(`input[value="Ada Lovelace"]`))
	if shown = do("see", chromedp.Navigate(s.base+"/console/people?q=lovelace"), chromedp.WaitVisible("table")); !strings.Contains(shown, "Ada Lovelace") {
		t.Errorf("the list: %s", shown)
	}
	for _, path := range []string{"", "groups", "sessions", "invitations", "permissions", "credentials", "audit", "sync", "password", "nothing"} {
		do(path, chromedp.Navigate(s.base+"/console/"+path))
	}
	mu.Lock()
	defer mu.Unlock()
	if len(complaints) > 0 || asked < 20 {
		t.Errorf("of %d requests the browser complains: %s", asked, strings.Join(complaints, "\n"))
	}
}
