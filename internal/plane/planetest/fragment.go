package planetest

import (
	"encoding/binary"

	"github.com/vtep/vtep/internal/intent"
)

// fragments makes the frames of a message of ICMP or ICMPv6 in two fragments of p, the first with n bytes of it. The
// sum of the message is made.
func (p packet) fragments(message []byte, n int) (frames [2]raw) {
	whole := p.icmp(message)
	message = whole[len(whole)-len(message):]
	for i, data := range [2][]byte{message[:n], message[n:]} {
		if p.from.Is4() {
			p.fragment = [2]uint16{0x2000, uint16(n / 8)}[i]
			frames[i] = append(ethernet(p.dst, p.src, p.tags, 0x0800), p.header4(1, data)...)
			continue
		}
		b := binary.BigEndian.AppendUint16([]byte{58, 0}, [2]uint16{1, uint16(n)}[i])
		b = append(binary.BigEndian.AppendUint32(b, p.id), data...)
		frames[i] = append(ethernet(p.dst, p.src, p.tags, 0x86dd), p.header6(44, b)...)
	}
	return frames
}

// echoInFragments is of echo that is larger than the link of the host takes.
func echoInFragments(l *lab) {
	l.apply(routed)
	l.settleHosts()
	larger := func(m []byte) []byte { return append(append([]byte{}, m...), make([]byte, 1500)...) }
	send := func(port string, f raw, want ...Out) {
		l.Helper()
		l.harness.FromPort(l, port, f) // what becomes of it no trace of it alone can tell
		l.expect("from port "+port, want)
	}
	const most = 1424
	for _, c := range []struct {
		port string
		src  byte
		of   byte
		tags []uint16
	}{{"p0", 1, 1, nil}, {"p2", 3, 2, []uint16{100}}} {
		p := l.packet(c.src, l.of(c.of, c.src), l.gateway(2), c.tags...)
		answer := packet{dst: p.src, src: routerMAC, tags: c.tags, from: p.to, to: p.from, ttl: 64, id: p.id}
		request, reply := p.fragments(larger(echoRequest(l.payload)), most), answer.fragments(larger(echoReply(l.payload)), most)
		send(c.port, request[1]) // it is of nothing yet
		for i := range request {
			send(c.port, request[i], atPort(c.port, reply[i]))
		}
		p.from = l.of(c.of, 99) // of another host's nothing
		send(c.port, p.fragments(larger(echoRequest(l.payload)), most)[1])
	}
	p := l.packet(1, l.of(1, 10), l.gateway(2))
	for _, f := range p.fragments(larger(echoReply(l.payload)), most) { // nothing else is answered
		send("p0", f)
	}
	l.tunnelGets(tunnel(0, redVNI), p.fragments(larger(echoRequest(l.payload)), most)[0]) // nor anybody at a tunnel
	l.mustHaveDropped(map[string]uint64{"unserved": 7}, nil)
	l.mustHaveLearned(map[intent.MACKey]intent.BindingKey{
		{Switch: red, MAC: station(1)}: at("p0", 0), {Switch: red, MAC: station(2)}: at("p1", 0),
		{Switch: blue, MAC: station(3)}: at("p2", 100), {Switch: blue, MAC: station(4)}: at("p0", 100)})
}
