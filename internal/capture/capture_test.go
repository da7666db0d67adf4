package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

var (
	ls0, ls1 = intent.SwitchID{1}, intent.SwitchID{2}
	peer     = intent.Tunnel{Peer: netip.MustParseAddr("10.2.2.2"), VNI: 5000}
	host1    = []byte{0, 0, 0x5e, 0, 0x53, 1}
	host3    = []byte{0, 0, 0x5e, 0, 0x53, 3}
)

// fake is a plane that shows what the test says.
type fake struct {
	mu   sync.Mutex
	want plane.CaptureFilter
	show func(*plane.Captured)
	lost uint64
}

func (f *fake) StartCapture(_ context.Context, want plane.CaptureFilter, show func(*plane.Captured)) (plane.Capture, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.want, f.show = want, show
	return f, nil
}

func (f *fake) DropReasons() []string { return []string{"too_big", "unbound_vlan"} }
func (f *fake) Lost() uint64          { return f.lost }
func (f *fake) Close() error          { return nil }
func (f *fake) ShowsAround() bool     { return true }

func (f *fake) shows(c plane.Captured) {
	if c.Inner == nil {
		c.Inner = c.Data
	}
	c.Length = max(c.Length, len(c.Data))
	if f.want.Wants(&c) {
		f.show(&c)
	}
}

func named(context.Context) (Names, error) {
	return Names{Ports: map[string]bool{"p0": true, "p 1": true}, Switches: map[intent.SwitchID]intent.Switch{ls0: {Name: "ls0", VNI: 5000}, ls1: {Name: "ls 1", VNI: 5001}}}, nil
}

// captured runs a capture while shows shows frames, and gives what it writes.
func captured(t *testing.T, p plane.Capturer, words []string, shows func()) []byte {
	t.Helper()
	q, err := Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Start(t.Context(), Source{Plane: p, Names: named, Name: "br0", Program: "vtep test"}, q)
	if err != nil {
		t.Fatal(err)
	}
	shows()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b bytes.Buffer
	if _, err := c.Write(ctx, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packetsOf gives the packets of a file, in words.
func packetsOf(t *testing.T, file []byte) (list []string) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, info, o, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		i, err := r.Interface(info.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s [%s] %d/%d", strings.Join(o.Comments, "; "), i.Name, len(data), info.Length)
		if o.PacketID != nil {
			line += fmt.Sprintf(" id %d", *o.PacketID)
		}
		if o.Flags != nil {
			line += map[pcapgo.NgEpbFlag]string{pcapgo.NgEpbFlagDirectionInbound: " inbound", pcapgo.NgEpbFlagDirectionOutbound: " outbound"}[o.Flags.Direction]
		}
		for _, v := range o.Verdicts {
			line += fmt.Sprintf(" verdict %d", binary.LittleEndian.Uint64(v.Data))
		}
		list = append(list, line)
	}
}

// vxlan puts what is around a frame around it.
func vxlan(inner []byte) []byte {
	b := append(testnet.Frame(host1, host3, "")[:12], 8, 0)
	b = append(b, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 2, 2, 1, 10, 2, 2, 2)
	b = append(b, 0xe0, 0, 0x12, 0xb5, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[16:], uint16(36+len(inner)))
	binary.BigEndian.PutUint16(b[38:], uint16(16+len(inner)))
	return append(append(b, 8, 0, 0, 0, 0, 0x13, 0x88, 0), inner...)
}

// happens are frames of all kinds, those of the same frame with the same number.
func happens(f *fake) {
	at := time.Now().Add(-time.Minute)
	frame := testnet.Frame(host3, host1, "one")
	tagged := append(append(slices.Clone(frame[:12]), 0x81, 0, 0, 100), frame[12:]...)
	port := plane.CapturePlace{Port: "p0", VLAN: 100}
	around := vxlan(frame)
	// The packet around it is shown first, but was later.
	f.shows(plane.Captured{At: at.Add(3), What: plane.WentOut, Device: "u0", To: plane.CapturePlace{Tunnel: peer}, Switch: ls0, Data: around, Inner: frame})
	f.shows(plane.Captured{At: at.Add(1), Frame: 7, What: plane.CameIn, From: port, Switch: ls0, Data: tagged, Inner: frame})
	f.shows(plane.Captured{At: at.Add(2), Frame: 7, What: plane.WentOut, From: port, To: plane.CapturePlace{Tunnel: peer}, Switch: ls0, Data: frame})
	other := testnet.Frame(host1, host3, "two")
	f.shows(plane.Captured{At: at.Add(4), What: plane.CameIn, Device: "u0", From: plane.CapturePlace{Tunnel: peer}, Switch: ls0, Data: vxlan(other), Inner: other})
	f.shows(plane.Captured{At: at.Add(5), Frame: 8, What: plane.WentOut, From: plane.CapturePlace{Tunnel: peer}, To: plane.CapturePlace{Port: "p 1"}, Switch: ls1, Data: other, Segment: 1448})
	f.shows(plane.Captured{At: at.Add(6), Frame: 9, What: plane.Dropped, Reason: "unbound_vlan", From: plane.CapturePlace{Port: "p0", VLAN: plane.OtherTag}, Data: other})
	f.shows(plane.Captured{At: at.Add(7), Frame: 10, What: plane.WentOut, To: port, Switch: ls0, Data: other})
	f.shows(plane.Captured{At: at.Add(8), Frame: 11, What: plane.Held, From: port, Switch: ls0, Data: other})
}

// TestFile has each kind of frame written with its names, in the order of time, and read back by tcpdump.
func TestFile(t *testing.T) {
	all := []string{
		"in port=p0 vlan=100 switch=ls0 vni=5000 [port p0/100] 68/68 id 7 inbound",
		"out peer=10.2.2.2 vni=5000 switch=ls0 from-port=p0 from-vlan=100 [tunnel 10.2.2.2/5000] 64/64 id 7 outbound",
		"out underlay=u0 peer=10.2.2.2 vni=5000 switch=ls0 [underlay u0] 114/114 id 7 outbound",
		"in underlay=u0 peer=10.2.2.2 vni=5000 switch=ls0 [underlay u0] 114/114 id 11 inbound",
		`out port="p 1" vlan=0 switch="ls 1" vni=5001 from-peer=10.2.2.2 from-vni=5000 segment=1448 [port p 1] 64/64 id 8 outbound`,
		"drop reason=unbound_vlan port=p0 vlan=other [drop unbound_vlan] 64/64 id 9 verdict 2",
		"out port=p0 vlan=100 switch=ls0 vni=5000 from=vtep [port p0/100] 64/64 id 10 outbound",
		"held port=p0 vlan=100 switch=ls0 vni=5000 [port p0/100] 64/64 id 11",
	}
	f := &fake{}
	file := captured(t, f, nil, func() { happens(f) })
	if got := packetsOf(t, file); !slices.Equal(got, all) {
		t.Errorf("written\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(all, "\n"))
	}
	name := filepath.Join(t.TempDir(), "all.pcapng")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testenv.Program(t, "tcpdump"), "-Z", "root", "-enr", name).CombinedOutput()
	if n := strings.Count(string(out), "(0x88b5)"); err != nil || n != 8 || strings.Count(string(out), "vni 5000") != 2 {
		t.Errorf("tcpdump: %v: %d frames\n%s", err, n, out)
	}
	for words, want := range map[string][]int{
		"--inner":                       {0, 1, 4, 5, 6, 7},
		"--outer":                       {2, 3},
		"--port=p0":                     {0, 1, 2, 3, 5, 6, 7},
		"--port=p0 --outer":             {2, 3},
		"--vlan=100 --direction=in,out": {0, 1, 2, 3, 6},
		"--drops":                       {5},
		"--drop=too_big":                nil,
		"--drop=too_big,unbound_vlan":   {5},
		"--switch=ls0 --direction=out":  {1, 2, 6},
		"--vni=5001":                    {4},
		"--peer=10.2.2.2 --inner":       {1, 4},
		"--peer=10.2.2.3":               nil,
		"--mac=00:00:5e:00:53:01":       {0, 1, 2, 3, 4, 5, 6, 7},
		"--mac=00:00:5e:00:53:02":       nil,
		"--filter=len>=64":              {0, 1, 2, 3, 4, 5, 6, 7},
		"--filter=arp":                  nil,
		"--count=2":                     {0, 1},
	} {
		f := &fake{}
		got := packetsOf(t, captured(t, f, strings.Split(strings.ReplaceAll(words, " ", "\n"), "\n"), func() { happens(f) }))
		var wanted []string
		for _, i := range want {
			wanted = append(wanted, all[i])
		}
		if strings.Contains(words, "direction") || strings.Contains(words, "outer") {
			// A packet has the number of a frame that was shown alone.
			got, wanted = withoutID(got), withoutID(wanted)
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("%s: written\n%s\nnot\n%s", words, strings.Join(got, "\n"), strings.Join(wanted, "\n"))
		}
	}
}

func withoutID(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, regexp.MustCompile(" id [0-9]+").ReplaceAllString(line, ""))
	}
	return all
}

// TestLosses has frames lost for want of room, and by the plane, and both told.
func TestLosses(t *testing.T) {
	f := &fake{lost: 3}
	big := testnet.Frame(host3, host1, strings.Repeat("x", 60000))
	file := captured(t, f, []string{"--buffer=1", "--snaplen=60000"}, func() {
		for range 40 {
			f.shows(plane.Captured{At: time.Now(), What: plane.CameIn, Data: big})
		}
	})
	total, err := Copy(io.Discard, bytes.NewReader(file), "", func(Total) {})
	if err != nil || total.Written != 17 || total.Lost != 23+3 {
		t.Errorf("%+v, %v", total, err)
	}
	var told Total
	printed, err := Print(io.Discard, bytes.NewReader(file), func(t Total) { told = t })
	if err != nil || printed != total || told.Lost != total.Lost {
		t.Errorf("printed: %+v, told of %+v, %v", printed, told, err)
	}
	// What is cut is told, and only whole blocks are copied.
	for _, n := range []int{len(file) - 10, len(file) / 2, 100} {
		var b bytes.Buffer
		if _, err := Copy(&b, bytes.NewReader(file[:n]), "", func(Total) {}); !errors.Is(err, ErrCut) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if _, err := Copy(io.Discard, bytes.NewReader(b.Bytes()), "", func(Total) {}); !errors.Is(err, ErrCut) || b.Len() > n || !bytes.HasPrefix(file, b.Bytes()) {
			t.Errorf("%d bytes: %d copied", n, b.Len())
		}
	}
}

// TestRequests has what can't be captured refused with what is wrong.
func TestRequests(t *testing.T) {
	for words, want := range map[string]string{
		"--vlan=4095":            "--vlan is",
		"--vni=-1":               "--vni is",
		"--peer=gateway":         "not the IP address",
		"--mac=1":                "not a MAC",
		"--direction=up":         "not in, out, drop or held",
		"--drop=thirst":          "those are too_big, unbound_vlan",
		"--drops --direction=in": "direction drop",
		"--inner --outer":        "nothing over",
		"--drops --outer":        "not on the underlay",
		"--filter=frob":          `--filter: "frob"`,
		"--port=p9":              `no port "p9"`,
		"--switch=ls9":           `no Logical_Switch "ls9"`,
		"--count=0":              "--count is",
		"--snaplen=70000":        "from 1 to 65535",
		"--buffer=x":             "--buffer is",
		"--duration=soon":        "--duration is",
		"stray":                  `"stray" is no option`,
	} {
		q, err := Parse(strings.Fields(words))
		if err == nil {
			_, err = Start(t.Context(), Source{Plane: &fake{}, Names: named}, q)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", words, err, want)
		}
	}
	q, err := Parse([]string{"--port=p0", "--drop=too_big", "--drop=unbound_vlan", "--inner", "--filter=arp or icmp"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(q.Words())
	if err != nil || strings.Join(again.Words(), "|") != "--port=p0|--filter=arp or icmp|--drop=too_big,unbound_vlan|--inner" {
		t.Errorf("%q, %v", again.Words(), err)
	}
	if text := again.Text(); text != "--port=p0 '--filter=arp or icmp' --drop=too_big,unbound_vlan --inner" {
		t.Errorf("as a command line: %s", text)
	}
}

// TestRest has what is left of a request that came in part.
func TestRest(t *testing.T) {
	q, err := Parse([]string{"--count=5", "--duration=60"})
	if err != nil {
		t.Fatal(err)
	}
	if !q.Rest(2, 10*time.Second) || !q.Rest(2, 1500*time.Millisecond) || q.Text() != "--count=1 --duration=49" {
		t.Errorf("left is %s", q.Text())
	}
	for _, o := range []struct {
		written uint64
		took    time.Duration
	}{{1, 0}, {0, 49 * time.Second}, {9, time.Hour}} {
		left := *q
		if left.Rest(o.written, o.took) {
			t.Errorf("after %+v there is left %s", o, left.Text())
		}
	}
	if (&Request{}).Rest(1<<40, time.Hour) != true {
		t.Error("a request without an end has one")
	}
}

// TestParts has a file of a capture that came in two parts: both are read, and what is missing is said.
func TestParts(t *testing.T) {
	f := &fake{}
	part := func() []byte { return captured(t, f, []string{"--filter=ether proto 0x88b5"}, func() { happens(f) }) }
	var file bytes.Buffer
	const remark = "a gap of 1.5 s"
	for i, b := range [][]byte{part(), part()} {
		if total, err := Copy(&file, bytes.NewReader(b), []string{"", remark}[i], func(Total) {}); err != nil || total.Written != 8 {
			t.Fatalf("%+v, %v", total, err)
		}
	}
	if got := packetsOf(t, file.Bytes()); len(got) != 16 || !slices.Equal(got[:8], got[8:]) {
		t.Errorf("in the file:\n%s", strings.Join(got, "\n"))
	}
	if n := bytes.Count(file.Bytes(), []byte("vtep capture '--filter=ether proto 0x88b5'")); n != 2 || bytes.Count(file.Bytes(), []byte(remark)) != 1 {
		t.Errorf("%d sections name what was asked for", n)
	}
	name := filepath.Join(t.TempDir(), "parts.pcapng")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testenv.Program(t, "tcpdump"), "-Z", "root", "-enr", name).CombinedOutput()
	if n := strings.Count(string(out), "(0x88b5)"); err != nil || n != 16 {
		t.Errorf("tcpdump: %v: %d frames\n%s", err, n, out)
	}
}

// TestNothingAround has the packets around frames refused where there are none.
func TestNothingAround(t *testing.T) {
	p := memory.New(memory.Options{}).Open()
	for words, refused := range map[string]bool{"--outer": true, "--outer --port=p0": true, "--port=p0": false, "": false} {
		q, err := Parse(strings.Fields(words))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Start(t.Context(), Source{Plane: p, Names: named}, q)
		if refused != (err != nil) || err != nil && !strings.Contains(err.Error(), "no packets around frames") {
			t.Errorf("%s: %v", words, err)
		}
		if err == nil {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := c.Write(ctx, io.Discard); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestMemory captures what the memory plane forwards and drops.
func TestMemory(t *testing.T) {
	f := memory.New(memory.Options{})
	f.AddDevice("p0")
	f.AddDevice("p1")
	s := intent.NewState()
	s.TunnelIP = netip.MustParseAddr("10.2.2.1")
	s.Ports["p0"], s.Ports["p1"] = intent.Port{}, intent.Port{}
	s.Switches[ls0] = intent.Switch{Name: "ls0", VNI: 5000}
	s.Bindings[intent.BindingKey{Port: "p0", VLAN: 100}] = intent.Binding{Switch: ls0}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: ls0}
	s.Floods[intent.FloodKey{Switch: ls0}] = intent.FloodSet{peer}
	s.Decap.Set(peer, ls0)
	p := f.Open()
	if _, err := p.Apply(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	file := captured(t, p, nil, func() {
		f.FromPort("p0", testnet.Frame(host3, host1, "flooded", 100))
		f.FromTunnel(peer.Peer, peer.VNI, testnet.Frame(host1, host3, "back"))
		f.FromPort("p0", testnet.Frame(host3, host1, "unbound", 7))
		f.FromTunnel(peer.Peer, 9, testnet.Frame(host1, host3, "unknown"))
	})
	want := []string{
		"in port=p0 vlan=100 switch=ls0 vni=5000 [port p0/100] 64/64 id 1 inbound",
		"out port=p1 vlan=0 switch=ls0 vni=5000 from-port=p0 from-vlan=100 [port p1] 60/60 id 1 outbound",
		"out peer=10.2.2.2 vni=5000 switch=ls0 from-port=p0 from-vlan=100 [tunnel 10.2.2.2/5000] 60/60 id 1 outbound",
		"in peer=10.2.2.2 vni=5000 switch=ls0 [tunnel 10.2.2.2/5000] 64/64 id 2 inbound",
		"out port=p0 vlan=100 switch=ls0 vni=5000 from-peer=10.2.2.2 from-vni=5000 [port p0/100] 68/68 id 2 outbound",
		"in port=p0 vlan=7 [port p0/7] 64/64 id 3 inbound",
		"drop reason=unbound_vlan port=p0 vlan=7 [drop unbound_vlan] 64/64 id 3 verdict 2",
		"in peer=10.2.2.2 vni=9 [tunnel 10.2.2.2/9] 64/64 id 4 inbound",
		"drop reason=unknown_tunnel peer=10.2.2.2 vni=9 [drop unknown_tunnel] 64/64 id 4 verdict 2",
	}
	if got := packetsOf(t, file); !slices.Equal(got, want) {
		t.Errorf("written\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
