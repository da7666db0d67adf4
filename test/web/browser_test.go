package web

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/vtep/vtep/internal/testenv"
)

// patience is how long a test waits for what must come: the machine may be slow.
const patience = 90 * time.Second

// fonts has the browser use what testdeps unpacked, or else what the machine has.
const fonts = `<fontconfig><dir>%s/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>%s</cachedir></fontconfig>`

// newBrowser starts a browser, that ends with the test.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	program := testenv.Program(t, "chromium-headless-shell")
	dir := t.TempDir()
	conf := filepath.Join(dir, "fonts.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, fonts, os.Getenv("VTEP_TESTROOT"), dir), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Env("FONTCONFIG_FILE="+conf, "HOME="+dir), chromedp.WSURLReadTimeout(patience))
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return ctx
}

// tab is one page of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	mistakes []string // that the page made
}

// newTab opens a tab of a size, in dark or in light.
func newTab(t *testing.T, browser context.Context, width int64, dark bool) *tab {
	t.Helper()
	b := &tab{t: t}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithListener(func(e any) {
		mistake := ""
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			mistake = fmt.Sprintf("%+v", e.ExceptionDetails)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				mistake = e.Entry.Text + " " + e.Entry.URL
			}
		}
		if mistake != "" {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.mistakes = append(b.mistakes, mistake)
		}
	}))
	t.Cleanup(cancel)
	b.ctx = ctx
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(chromedp.EmulateViewport(width, 900), command(emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
	return b
}

// command is a command of the protocol.
func command[P any](c cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// do gives the browser commands.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// get has it answer one.
func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	answer, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("main")))
}

// ask has JavaScript answer.
func ask[T any](b *tab, script string) T {
	b.t.Helper()
	return get(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// eventually waits for JavaScript to say true.
func (b *tab) eventually(script string) {
	b.t.Helper()
	testenv.Eventually(b.t, patience, func() error {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](script))
		if err == nil && !is { // else it is between two pages
			err = fmt.Errorf("%s is not true; the page says:\n%s", script, ask[string](b, "document.body?.innerText || ''"))
		}
		return err
	})
}

// text is what the main part of the page says.
func (b *tab) text() string {
	b.t.Helper()
	return ask[string](b, "document.querySelector('main').innerText")
}

// faultless looks for what no page may have: mistakes, what does not fit into the width, what can't be told from
// its ground.
func (b *tab) faultless(name string) {
	b.t.Helper()
	b.shoot(name)
	if over := ask[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		b.t.Errorf("%s: %d pixels do not fit into the width", name, over)
	}
	for _, text := range ask[[]string](b, faint) {
		b.t.Errorf("%s: hardly readable: %s", name, text)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mistakes {
		b.t.Errorf("%s: %s", name, m)
	}
	b.mistakes = nil
}

// faint finds texts whose colour is too close to that behind them: less than 4.5 to 1, as of WCAG 2 AA.
const faint = `(() => {
  const parts = (c) => (c.match(/[\d.]+/g) || []).map(Number);
  const light = (c) => parts(c).slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const solid = (c) => { const p = parts(c); return p.length === 3 || p.length === 4 && p[3] === 1; };
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = Array.from(one.childNodes).some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !one.checkVisibility() || one.closest("title, script")) continue;
    const svg = one.namespaceURI.endsWith("svg");
    const style = getComputedStyle(one);
    let ground = getComputedStyle(document.body).backgroundColor;
    if (svg) {
      const box = one.closest(".node") || one.ownerSVGElement;
      ground = getComputedStyle(box.querySelector("rect")).fill;
    } else {
      for (let at = one; at; at = at.parentElement) {
        if (solid(getComputedStyle(at).backgroundColor)) { ground = getComputedStyle(at).backgroundColor; break; }
      }
    }
    const a = light(svg ? style.fill : style.color), b = light(ground);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(one.textContent.trim().slice(0, 40) + ": " + contrast.toFixed(1));
  }
  return found;
})()`

// shoot takes a picture of the whole page into the directory of VTEP_TEST_SCREENSHOTS, for people to look at.
func (b *tab) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("VTEP_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	png := get(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "_")+".png"), png, 0o666); err != nil {
		b.t.Fatal(err)
	}
}
