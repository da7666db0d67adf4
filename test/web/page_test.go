package web

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/vtep/vtep/internal/testenv"
)

// gateway is a VTEP that serves its page, on the plane in memory.
type gateway struct {
	t   *testing.T
	env *testenv.Env
	bin string
	url string
}

func newGateway(t *testing.T, args ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, env: testenv.OVS(t), bin: testenv.Binary(t)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	g.url = "http://" + address
	cmd := g.env.Command(filepath.Join(g.bin, "vtep"), append([]string{"run", "br0", "--plane=memory", "--tunnel-ip=192.0.2.1", "--rundir=" + g.env.RunDir,
		"--db=" + filepath.Join(g.env.DBDir, "vtep.db"), "--web=" + address, "-vconsole:off"}, args...)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("vtep run: %v\n%s", err, &output)
		}
	})
	testenv.Eventually(t, patience, func() error {
		r, err := http.Get(g.url)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		var b bytes.Buffer
		if _, err := b.ReadFrom(r.Body); err != nil || !strings.Contains(b.String(), "running") {
			return fmt.Errorf("%w: %s", err, &b)
		}
		return nil
	})
	return g
}

// ctl writes rows.
func (g *gateway) ctl(words ...string) {
	g.t.Helper()
	cmd := exec.Command("xargs", filepath.Join(g.bin, "vtep-ctl"), "--timeout=60", "--db=unix:"+filepath.Join(g.env.RunDir, "db.sock"))
	cmd.Stdin = strings.NewReader(strings.Join(words, " "))
	if out, err := cmd.CombinedOutput(); err != nil {
		g.t.Fatalf("vtep-ctl: %v\n%s", err, out)
	}
}

// network makes logical switches, each with a binding, a peer and a MAC behind it.
func (g *gateway) network(n, ports, peers int) {
	g.t.Helper()
	var words []string
	for i := range n {
		ls, peer := fmt.Sprintf("ls%d", i), fmt.Sprintf("192.0.2.%d", 2+i%peers)
		words = append(words, "--", "add-ls", ls, "--", "set", "Logical_Switch", ls, fmt.Sprintf("tunnel_key=%d", 5000+i),
			"--", "bind-ls", "br0", fmt.Sprintf("p%d", i%ports), fmt.Sprint(1+i/ports), ls,
			"--", "add-ucast-remote", ls, fmt.Sprintf("02:00:00:00:%02x:%02x", i/256, i%256), peer, "--", "add-mcast-remote", ls, "unknown-dst", peer)
	}
	// No command line holds all of it.
	for chunk := range slices.Chunk(words, 24*400) {
		g.ctl(chunk...)
	}
}

// TestPages looks at every page, on a desk and in a hand, in light and in dark.
func TestPages(t *testing.T) {
	g := newGateway(t, "--port=p0", "--port=p1", "--port=p2")
	g.network(6, 2, 3)
	g.ctl("set", "Physical_Port", "p2", "vlan_bindings:4095=@ls", "--", "--id=@ls", "create", "Logical_Switch", `'name="<script>alert(1)</script>"'`)
	browser := newBrowser(t)
	for _, look := range []struct {
		name  string
		width int64
		dark  bool
	}{{"desk", 1280, false}, {"hand", 390, true}} {
		t.Run(look.name, func(t *testing.T) {
			b := newTab(t, browser, look.width, look.dark)
			for path, want := range map[string]string{
				"/": "Topology", "/ports": "p1", "/switches": "ls5", "/tunnels": "192.0.2.3", "/macs": "02:00:00:00:00:04", "/macs?q=ls3": "1 to 1 of 1 that match, of 6 MACs",
				"/problems": "bad_vlan", "/drops": "no reasons", "/db": "Ucast_Macs_Remote", "/db/Logical_Switch": "<script>alert(1)</script>", "/db/Physical_Locator?q=192.0.2.4": "192.0.2.4",
			} {
				b.open(g.url + path)
				if text := b.text(); !strings.Contains(text, want) {
					t.Errorf("%s lacks %q:\n%s", path, want, text)
				}
				b.faultless(look.name + path)
			}
			b.open(g.url)
			shown, hidden := "wide", "narrow"
			if look.width < 700 {
				shown, hidden = hidden, shown
			}
			if !ask[bool](b, "document.querySelector('.picture."+shown+"').checkVisibility() && !document.querySelector('.picture."+hidden+"').checkVisibility()") {
				t.Error("the picture is the one for other screens")
			}
		})
	}
}

// TestLive has rows change while a page is looked at: it follows, and whoever works with the keyboard stays where he is.
func TestLive(t *testing.T) {
	g := newGateway(t, "--port=p0")
	g.network(2, 1, 1)
	b := newTab(t, newBrowser(t), 1280, false)
	b.open(g.url)
	b.eventually("document.getElementById('live').innerText === 'live'")
	b.do(chromedp.Focus(chromedp.CSS(`.picture.wide a[href^="/?peer="]`)))
	g.ctl("add-ls", "late", "--", "set", "Logical_Switch", "late", "tunnel_key=77", "--", "bind-ls", "br0", "p0", "900", "late")
	b.eventually("document.querySelector('.picture.wide').textContent.includes('late')")
	if at := ask[string](b, "document.activeElement.getAttribute('href')"); at != "/?peer=192.0.2.2" {
		t.Errorf("the focus is at %q", at)
	}
	b.faultless("live")

	// From one row to another by links, and back by who refers to it.
	b.open(g.url + "/db/Physical_Port")
	for _, c := range []struct{ link, title string }{{"p0", "Physical_Port p0"}, {"late", "Logical_Switch late"}, {"Physical_Port p0", "Physical_Port p0"}} {
		b.do(chromedp.Click(fmt.Sprintf(`//main//a[normalize-space()=%q]`, c.link)))
		b.eventually(fmt.Sprintf("document.querySelector('h1')?.innerText === %q", c.title))
	}
}

// TestKeyboard uses the page without a mouse.
func TestKeyboard(t *testing.T) {
	g := newGateway(t, "--port=p0")
	g.network(3, 1, 3)
	b := newTab(t, newBrowser(t), 1280, false)
	b.open(g.url)
	press := func(key string) { t.Helper(); b.do(chromedp.KeyEvent(key)) }
	press(kb.Tab)
	if at := ask[string](b, "document.activeElement.innerText"); at != "Skip to the content" {
		t.Errorf("the first that Tab reaches is %q", at)
	}
	press(kb.Enter)
	for i := 0; ; i++ {
		press(kb.Tab)
		at := ask[string](b, "document.activeElement.getAttribute('aria-label') || ''")
		if i == 0 && !strings.HasPrefix(at, "port p0: up") {
			t.Errorf("what follows is not the picture, but %q", at)
		}
		if strings.HasPrefix(at, "logical switch ls1: VNI 5001") {
			break
		}
		if i > 20 {
			t.Fatal("Tab does not reach the switch")
		}
		if !ask[bool](b, "(() => { const s = getComputedStyle(document.activeElement.querySelector('rect') || document.activeElement); return s.strokeWidth === '3px' || s.outlineStyle === 'solid'; })()") {
			t.Errorf("%q has the focus, and does not look so", at)
		}
	}
	press(kb.Enter)
	b.eventually("document.querySelector('h2')?.innerText === 'Around logical switch ls1'")
	if nodes := ask[int](b, "document.querySelectorAll('.picture.wide .node').length"); nodes != 3 {
		t.Errorf("around ls1 are %d boxes", nodes)
	}
	b.faultless("around")

	b.open(g.url + "/macs")
	b.do(chromedp.Focus(chromedp.CSS("#q")), chromedp.KeyEvent("192.0.2.3"+kb.Enter))
	b.eventually("location.search === '?q=192.0.2.3' && document.querySelectorAll('main tbody tr').length === 1")
}

// TestTrace asks what becomes of a frame, with the form.
func TestTrace(t *testing.T) {
	g := newGateway(t, "--port=p0")
	g.network(3, 1, 3)
	b := newTab(t, newBrowser(t), 390, true)
	b.open(g.url)
	b.do(chromedp.Click(chromedp.CSS(`nav a[href="/trace"]`)), chromedp.WaitVisible(chromedp.CSS("#f-port")))
	for field, value := range map[string]string{"port": "p0", "vlan": "2", "src": "02:00:00:00:99:01", "dst": "02:00:00:00:00:01"} {
		b.do(chromedp.SendKeys(chromedp.CSS("#f-"+field), value))
	}
	b.do(chromedp.Click(chromedp.CSS("main form button")))
	b.eventually("document.querySelector('pre')?.innerText.includes('192.0.2.3')")
	b.faultless("traced")
	for field, want := range map[string]string{"port": "p0", "dst": "02:00:00:00:00:01"} {
		if got := ask[string](b, "document.querySelector('#f-"+field+"').value"); got != want {
			t.Errorf("the field %s has %q now", field, got)
		}
	}
	b.open(g.url + "/trace?port=p0&dst=02:00:00:00:00:01&src=nonsense")
	if text := b.text(); !strings.Contains(text, "nonsense") || strings.Contains(text, "What happens") {
		t.Errorf("a mistake in the form is told of so:\n%s", text)
	}
	b.faultless("trace-mistake")
}

// TestWithoutJavaScript has the page whole without it.
func TestWithoutJavaScript(t *testing.T) {
	g := newGateway(t, "--port=p0")
	g.network(60, 1, 3)
	b := newTab(t, newBrowser(t), 390, false)
	b.do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	b.open(g.url)
	texts := func(selector chromedp.CSS) string { t.Helper(); return get(b, chromedp.Text(selector)) }
	if got := texts("#about"); !strings.Contains(got, "192.0.2.1") {
		t.Errorf("the page says %q", got)
	}
	b.do(chromedp.WaitVisible(chromedp.CSS(".picture.narrow .node")))
	b.open(g.url + "/switches")
	if got := texts(".paging"); !strings.HasPrefix(got, "1 to 50 of 60 logical switches") {
		t.Errorf("the page says %q", got)
	}
	b.do(chromedp.Click(chromedp.CSS(`.paging a[rel="next"]`)), chromedp.WaitVisible(chromedp.CSS(`.paging a[rel="prev"]`)))
	if got := texts(".paging"); !strings.HasPrefix(got, "51 to 60 of 60 logical switches") {
		t.Errorf("the page says %q", got)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "ls59"+kb.Enter), chromedp.WaitVisible(chromedp.CSS(`a[href="/macs?q=ls59"]`)))
	b.shoot("without-javascript")
}

// TestManySwitches has 4,000: the picture has what it can show, and says of how many more; lists are searched
// and paged by the server.
func TestManySwitches(t *testing.T) {
	const many = 4000
	g := newGateway(t, "--port=p0", "--port=p1", "--port=p2", "--port=p3")
	g.network(many, 4, 40)
	browser := newBrowser(t)
	hand := newTab(t, browser, 390, true)
	hand.open(g.url)
	hand.eventually("document.querySelector('.picture.narrow').textContent.includes('3,986 more')")
	if nodes := ask[int](hand, "document.querySelectorAll('.picture.narrow .node').length"); nodes > 3*15 {
		t.Errorf("the picture has %d boxes", nodes)
	}
	if size := ask[int](hand, "document.documentElement.outerHTML.length"); size > 200_000 {
		t.Errorf("the page has %d characters", size)
	}
	hand.faultless("many-hand")
	b := newTab(t, browser, 1280, false)
	b.open(g.url)
	b.open(g.url + "/?switch=" + ask[string](b, `fetch("/switches?q=ls3999").then((r) => r.text()).then((t) => t.match(/switch=([0-9a-f-]{36})/)[1])`))
	if nodes := ask[int](b, "document.querySelectorAll('.picture.wide .node').length"); nodes != 3 {
		t.Errorf("around ls3999 are %d boxes", nodes)
	}
	b.faultless("many-around")
	for path, want := range map[string]string{
		"/switches": "1 to 50 of 4,000 logical switches", "/switches?q=ls3999": "1 to 1 of 1 that match, of 4,000 logical switches", "/macs?page=80": "3,951 to 4,000 of 4,000 MACs",
		"/db/Logical_Switch?page=999": "3,951 to 4,000 of 4,000 rows", "/db/Physical_Port": "and 996 more",
	} {
		b.open(g.url + path)
		if text := b.text(); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%.500s", path, want, text)
		}
		b.faultless("many" + path)
	}
}
