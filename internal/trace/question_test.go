package trace

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/getopt"
)

func parse(words ...string) (Question, error) {
	var q Question
	_, err := getopt.Parse(words, q.Options())
	return q, err
}

// What can't be a frame is refused with a word about the option that is wrong.
func TestBadQuestions(t *testing.T) {
	const macs = " --dst=02:00:00:00:00:01 --src=02:00:00:00:00:02"
	for words, want := range map[string]string{
		"":                                            "say where the frame comes in",
		"--port=p0 --from=10.0.0.2" + macs:            "say where the frame comes in",
		"--from=10.0.0.2" + macs:                      "--vni",
		"--from=x --vni=1" + macs:                     "--from is \"x\"",
		"--from=10.0.0.2 --vni=16777216" + macs:       "--vni is \"16777216\"",
		"--port=p0 --vni=1" + macs:                    "--vni and --outer-tos are of a tunnel",
		"--port=p0":                                   "--dst and --src",
		"--port=p0 --dst=x --src=02:00:00:00:00:02":   "--dst: \"x\"",
		"--port=p0 --vlan=4095" + macs:                "--vlan is \"4095\"",
		"--port=p0 --pcp=1" + macs:                    "--pcp",
		"--port=p0 --ip=1.2.3.4 --arp=1.2.3.4" + macs: "only one of",
		"--port=p0 --ip=1.2.3" + macs:                 "--ip is \"1.2.3\"",
		"--port=p0 --ip=1.2.3.4 --ip-src=::1" + macs:  "--ip-src is \"::1\"",
		"--port=p0 --ip=1.2.3.4 --protocol=x" + macs:  "--protocol is \"x\"",
		"--port=p0 --ip=1.2.3.4 --ttl=256" + macs:     "--ttl is \"256\"",
		"--port=p0 --ip=1.2.3.4 --length=20" + macs:   "--length is 20",
		"--port=p0 --hex=123":                         "--hex",
		"--port=p0 --hex=1234":                        "2 bytes",
		"--port=p0 --pcap=/nowhere":                   "no such file",
	} {
		q, err := parse(strings.Fields(words)...)
		if err == nil {
			_, err = q.Arriving()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", words, err, want)
		}
	}
}

// The bytes of frames, which are right in all checksums.
func TestFrames(t *testing.T) {
	const macs = " --dst=02:00:00:00:00:01 --src=02:00:00:00:00:02"
	for words, want := range map[string]string{
		"--port=p0 --vlan=100 --pcp=5 --arp=192.0.2.7 --src=02:00:00:00:00:02": "ffffffffffff" + "020000000002" + "8100a064" + "0806" + "0001080006040001" + "020000000002c0000201" + "000000000000c0000207" + strings.Repeat("00", 18),
		"--port=p0 --vlan=7 --service-tag --length=16" + macs:                  "020000000001" + "020000000002" + "88a80007" + "88b5" + strings.Repeat("00", 46),
		"--port=p0 --ip=192.0.2.7 --dst-port=53 --dscp=46" + macs: "020000000001" + "020000000002" + "0800" +
			"45b8002e000040004011b5fec0000201c0000207" + "c0000035001abb7b" + strings.Repeat("00", 18),
	} {
		q, err := parse(strings.Fields(words)...)
		if err != nil {
			t.Fatal(err)
		}
		fr, err := q.Arriving()
		if got := hex.EncodeToString(fr.Frame); err != nil || got != want {
			t.Errorf("%q: %v\n%s, want\n%s", words, err, got, want)
		}
	}
}

// A frame is found in files of both formats, of either order of bytes; what is not whole is refused.
func TestCaptures(t *testing.T) {
	first, second := bytes.Repeat([]byte{1}, 60), bytes.Repeat([]byte{2}, 61)
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		u := func(b []byte, words ...uint32) []byte {
			for _, w := range words {
				b = order.AppendUint32(b, w)
			}
			return b
		}
		classic := u(nil, magicMicro, 0, 0, 0, 65535, linkEthernet)
		for _, f := range [][]byte{first, second} {
			classic = append(u(classic, 0, 0, uint32(len(f)), uint32(len(f))), f...)
		}
		next := u(nil, magicSection, 28, byteOrder, 0, 0xffffffff, 0xffffffff, 28)
		next = order.AppendUint16(u(next, blockInterface, 20), linkEthernet)
		next = u(append(next, 0, 0), 0, 20)
		for _, f := range [][]byte{first, second} {
			padded := append(append([]byte{}, f...), make([]byte, (4-len(f)%4)%4)...)
			length := uint32(32 + len(padded))
			next = u(append(u(next, blockEnhanced, length, 0, 0, 0, uint32(len(f)), uint32(len(f))), padded...), length)
		}
		for name, file := range map[string][]byte{"pcap": classic, "pcapng": next} {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, file, 0o666); err != nil {
				t.Fatal(err)
			}
			for n, want := range map[int][]byte{1: first, 2: second} {
				if got, err := readCapture(path, n); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s %d: %x, %v", name, n, got, err)
				}
			}
			if _, err := readCapture(path, 3); err == nil || !strings.Contains(err.Error(), "there are 2") {
				t.Errorf("%s 3: %v", name, err)
			}
			for n := range len(file) { // no part of it does harm
				_, _ = frameOf(file[:n], 2)
			}
		}
	}
}

func FuzzCapture(f *testing.F) {
	f.Add([]byte{0xd4, 0xc3, 0xb2, 0xa1}, 1)
	f.Fuzz(func(_ *testing.T, b []byte, n int) { _, _ = frameOf(b, n) })
}
