package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
)

// insertMany returns a transaction as a controller sends it: n MAC addresses
// on one logical switch.
func insertMany(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"method":"transact","id":1,"params":["hardware_vtep"`)
	for i := range n {
		fmt.Fprintf(&b, `,{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":"02:00:00:%02x:%02x:%02x",`+
			`"ipaddr":"192.0.2.%d","locator":["uuid","3f2504e0-4f89-11d3-9a0c-0305e82c3301"],`+
			`"logical_switch":["uuid","3f2504e0-4f89-11d3-9a0c-0305e82c3302"]}}`, byte(i>>16), byte(i>>8), byte(i), byte(i))
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 10000} {
		text := insertMany(n)
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseStdlib(b *testing.B) {
	text := insertMany(10000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendTo(b *testing.B) {
	text := insertMany(10000)
	v, err := Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		buf = v.AppendTo(buf[:0], false)
	}
}

func BenchmarkReader(b *testing.B) {
	for _, n := range []int{1, 10000} {
		text := insertMany(n)
		stream := bytes.Repeat(text, 10000/n)
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(bytes.NewReader(stream), 1<<30)
				for {
					if _, err := r.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkScan is what a Reader does beside reading.
func BenchmarkScan(b *testing.B) {
	text := insertMany(10000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r := Reader{buf: text}
		if !r.scan() || r.at != len(text) {
			b.Fatalf("the text ends at %d", r.at)
		}
	}
}
