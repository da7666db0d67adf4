// SPDX-License-Identifier: Apache-2.0
// BFD between VTEPs (RFC 5880, in VXLAN as RFC 8971 has it): control packets from peers that there
// is a session with are taken out here, and told to the agent with the time when they came. Most
// say the same as the one before: of those only the time is noted, so that neither many sessions
// nor a busy agent matter. What no session can want is dropped here, too, each for its reason.
#pragma once

#include <linux/udp.h>

#include "frame.h"
#include "learn.h"

#define NOT_BFD (-3)

struct bfd_control {
	__u8 version; // and diagnostic
	__u8 flags;   // and state
	__u8 mult;
	__u8 length;
	__be32 my, your;
	__be32 min_tx, min_rx, min_echo_rx;
};

enum bfd_bits {
	BFD_MULTIPOINT = 1 << 0,
	BFD_AUTH = 1 << 2,
	BFD_FINAL = 1 << 4,
	BFD_POLL = 1 << 5,
};

#define BFD_STATE(flags) ((flags) >> 6)
#define BFD_DOWN 1
#define BFD_UP 3

// Of a peer so many packets that say something new are told at once, and then one in that time.
#define BFD_BURST 64
#define BFD_PAUSE (SECOND / 200)

struct bfd_headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed, aligned(2)));

// Whether one more packet may be told. Several CPUs at once may let a few more pass.
static __always_inline int bfd_allows(__u64 *due, __u64 now)
{
	__u64 at = *due > now ? *due : now;

	if (at - now > BFD_BURST * BFD_PAUSE)
		return 0;
	*due = at + BFD_PAUSE;
	return 1;
}

// Whether the packet says what the one before it said, and nothing has to be done about it.
static __always_inline int bfd_repeats(struct bfd_session *s, struct bfd_traffic *heard,
				       struct bfd_control *c, __u32 vni)
{
	__u32 *a = (__u32 *)heard->packet, *b = (__u32 *)c;

	return s->flags & BFD_IS_UP && heard->vni == vni && !(c->flags & (BFD_POLL | BFD_FINAL)) &&
	       BFD_STATE(c->flags) == BFD_UP && a[0] == b[0] && a[1] == b[1] && a[2] == b[2] &&
	       a[3] == b[3] && a[4] == b[4] && a[5] == b[5];
}

// Notes a valid packet, and tells the agent of one that is news.
static __always_inline int bfd_take(struct __sk_buff *skb, struct bfd_session *s, struct bfd_control *c,
				    __u32 peer, __u32 vni)
{
	struct bfd_traffic *heard = bpf_map_lookup_elem(&bfd_heard, &peer);
	__u64 now = bpf_ktime_get_ns();
	struct bfd_event *e;

	if (!heard)
		return drop(skb, DROP_BFD);
	if (bfd_repeats(s, heard, c, vni)) {
		heard->at = now;
		heard->packets++;
		return TC_ACT_SHOT; // it has arrived: no drop
	}
	// Whoever does not know our discriminator can't use up what is for the one who does.
	if (!bfd_allows(c->your ? &heard->due_known : &heard->due_unknown, now))
		return drop(skb, DROP_BFD_RATE);
	e = bpf_ringbuf_reserve(&bfd_events, sizeof(*e), 0);
	if (!e)
		return drop(skb, DROP_BFD_RATE);
	e->at = now;
	e->peer = peer;
	e->vni = vni;
	__builtin_memcpy(e->packet, c, sizeof(*c));
	bpf_ringbuf_submit(e, 0);
	heard->at = now;
	heard->packets++;
	heard->vni = vni;
	__builtin_memcpy(heard->packet, c, sizeof(*c));
	return TC_ACT_SHOT;
}

// Takes a frame from a tunnel if it is of BFD with this peer, or NOT_BFD. bd is the switch that it
// would enter otherwise, or 0: the VNI is not that of data, and whatever is to the port is for
// us. In a VNI with data only what is to addresses that no host has. Inside there is IPv4, be the
// tunnel one of IPv4 or of IPv6.
__noinline int take_bfd(struct __sk_buff *skb, __u32 peer, __u32 vni, __u32 bd)
{
	struct bfd_session *s = bpf_map_lookup_elem(&bfd_sessions, &peer);
	struct bfd_headers f = {};
	struct bfd_control c = {};
	__u32 length, to;
	int ours;

	if (!s || skb->protocol != bpf_htons(ETH_P_IP) ||
	    bpf_skb_load_bytes(skb, 0, &f, sizeof(f)))
		return NOT_BFD;
	if (f.ip.version != 4 || f.ip.ihl != 5 || f.ip.protocol != IPPROTO_UDP || f.udp.dest != bpf_htons(BFD_PORT))
		return NOT_BFD;
	to = bpf_ntohl(f.ip.daddr);
	ours = is_bfd_mac(f.eth.h_dest) || (to & ~1) == BFD_IP || to == s->local_ip ||
	       same_mac(f.eth.h_dest, s->local_mac);
	if (bd ? !ours : vni != 0)
		return NOT_BFD;
	if (vni && s->flags & BFD_VNI_0)
		return drop(skb, DROP_BFD);

	if (f.ip.ttl != 255)
		return drop(skb, DROP_BFD_TTL);
	length = bpf_ntohs(f.udp.len);
	if (f.ip.frag_off & FRAGMENT_ANY || ip_checksum(&f.ip) || bpf_ntohs(f.ip.tot_len) + ETH_HLEN > skb->len ||
	    length + sizeof(f.ip) > bpf_ntohs(f.ip.tot_len) || length < sizeof(f.udp) + sizeof(c) ||
	    bpf_skb_load_bytes(skb, sizeof(f), &c, sizeof(c)))
		return drop(skb, DROP_BFD_MALFORMED);
	// RFC 5880, 6.8.6
	if (c.version >> 5 != 1 || c.length < sizeof(c) || c.length + sizeof(f.udp) > length ||
	    !c.mult || c.flags & BFD_MULTIPOINT || !c.my)
		return drop(skb, DROP_BFD_MALFORMED);
	if (c.flags & BFD_AUTH)
		return drop(skb, DROP_BFD_AUTH);
	if (c.your ? c.your != bpf_htonl(s->my) : BFD_STATE(c.flags) > BFD_DOWN)
		return drop(skb, DROP_BFD_DISCRIMINATOR);
	return bfd_take(skb, s, &c, peer, vni);
}

// Notes that data came from a peer, for sessions to which that is a sign of life.
static __always_inline void note_data(struct settings *cfg, __u32 peer)
{
	struct bfd_traffic *heard;

	if (!(cfg->flags & CONFIG_NOTE_DATA))
		return;
	heard = bpf_map_lookup_elem(&bfd_heard, &peer);
	if (!heard)
		return;
	heard->data_at = bpf_ktime_get_coarse_ns();
	heard->data++;
}
