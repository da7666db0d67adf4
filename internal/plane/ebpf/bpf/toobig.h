// SPDX-License-Identifier: Apache-2.0
// Path MTU: a frame that is too big for the underlay is dropped, but its sender is told, in
// the name of the receiver, as the kernel's bridged tunnels do. Without that, hosts whose
// MTU is that of the underlay could open connections and never get data through.
#pragma once

#include <linux/in.h>

#include "learn.h"
#include "output.h"

#define QUOTED 8 // bytes of the dropped packet after its IP header: the ports
// With IPv6 they may be behind extension headers, and without them the message says nothing.
#define QUOTED6 (64 + 8)

// ICMP and ICMPv6 have their "too big" message in the same form.
struct icmp {
	__u8 type, code;
	__u16 checksum;
	__be32 mtu;
};

#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_FRAG_NEEDED 4 // code of it
#define ICMP_ECHO 8
#define ICMPV6_PKT_TOOBIG 2
#define ICMPV6_FIRST_INFO 128 // types below are errors

struct too_big4 {
	struct ethhdr eth;
	struct iphdr ip;
	struct icmp icmp;
	struct iphdr quoted_ip;
	__u8 quoted[QUOTED];
} __attribute__((packed, aligned(2)));

struct too_big6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct icmp icmp;
	struct ipv6hdr quoted_ip;
	__u8 quoted[QUOTED6];
} __attribute__((packed, aligned(2)));

#define TELL_EVERY 1000000ULL // ns, for each sender

// Makes the frame the message m; 0 if that fails. A checksum that a NIC gave the frame is gone
// with its new length, so there is none to keep right.
static __always_inline int cut(struct __sk_buff *skb, void *m, __u32 length)
{
	if (bpf_skb_change_tail(skb, length, 0) || bpf_skb_store_bytes(skb, 0, m, length, 0))
		return 0;
	return length;
}

// The length of the message that the frame has become, or 0.
static __noinline int make_too_big4(struct __sk_buff *skb, __u32 mtu)
{
	struct too_big4 m = {};

	if (bpf_skb_load_bytes(skb, 0, &m.eth, sizeof(m.eth)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &m.quoted_ip, sizeof(m.quoted_ip) + QUOTED))
		return 0;
	// Only those who asked not to be fragmented want to hear of it, only of the first
	// fragment, and never about an error message.
	if (m.quoted_ip.ihl != 5 || (m.quoted_ip.frag_off & bpf_htons(0x7fff)) != bpf_htons(0x4000))
		return 0;
	if (m.quoted_ip.protocol == IPPROTO_ICMP && m.quoted[0] != ICMP_ECHO && m.quoted[0] != ICMP_ECHOREPLY)
		return 0;

	__builtin_memcpy(m.eth.h_dest, m.eth.h_source, ETH_ALEN);
	if (bpf_skb_load_bytes(skb, 0, m.eth.h_source, ETH_ALEN))
		return 0;
	m.ip.version = 4;
	m.ip.ihl = 5;
	m.ip.tos = 0xc0; // internetwork control
	m.ip.tot_len = bpf_htons(sizeof(m) - ETH_HLEN);
	m.ip.ttl = 64;
	m.ip.protocol = IPPROTO_ICMP;
	m.ip.saddr = m.quoted_ip.daddr;
	m.ip.daddr = m.quoted_ip.saddr;
	m.ip.check = fold16(add16(0, &m.ip, sizeof(m.ip)));
	m.icmp.type = ICMP_DEST_UNREACH;
	m.icmp.code = ICMP_FRAG_NEEDED;
	m.icmp.mtu = bpf_htonl(mtu);
	m.icmp.checksum = fold16(add16(0, &m.icmp, sizeof(m) - ETH_HLEN - sizeof(m.ip)));
	return cut(skb, &m, sizeof(m));
}

// 1 if the packet is an ICMPv6 error: nobody wants to hear of those.
static __always_inline int is_error6(struct __sk_buff *skb)
{
	struct headers h;
	__u8 type;

	find_headers(skb, &h);
	return h.proto == IPPROTO_ICMPV6 &&
	       (bpf_skb_load_bytes(skb, h.off, &type, 1) || type < ICMPV6_FIRST_INFO);
}

static __noinline int make_too_big6(struct __sk_buff *skb, __u32 mtu)
{
	struct too_big6 m = {};
	__u32 sum;

	if (is_error6(skb) || bpf_skb_load_bytes(skb, 0, &m.eth, sizeof(m.eth)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &m.quoted_ip, sizeof(m.quoted_ip) + QUOTED6))
		return 0;

	__builtin_memcpy(m.eth.h_dest, m.eth.h_source, ETH_ALEN);
	if (bpf_skb_load_bytes(skb, 0, m.eth.h_source, ETH_ALEN))
		return 0;
	m.ip.version = 6;
	m.ip.payload_len = bpf_htons(sizeof(m) - ETH_HLEN - sizeof(m.ip));
	m.ip.nexthdr = IPPROTO_ICMPV6;
	m.ip.hop_limit = 64;
	m.ip.saddr = m.quoted_ip.daddr;
	m.ip.daddr = m.quoted_ip.saddr;
	m.icmp.type = ICMPV6_PKT_TOOBIG;
	m.icmp.mtu = bpf_htonl(mtu);
	// With the pseudo header: both addresses, the length, the protocol.
	sum = add16(0, &m.ip.saddr, 32) + m.ip.payload_len + bpf_htons(IPPROTO_ICMPV6);
	m.icmp.checksum = fold16(add16(sum, &m.icmp, sizeof(m) - ETH_HLEN - sizeof(m.ip)));
	return cut(skb, &m, sizeof(m));
}

// Says whether the sender of a packet may be told now: each of them by itself, so that one
// that does not listen keeps no other from hearing.
static __noinline int may_tell(struct __sk_buff *skb, __u32 slot)
{
	struct sender from = {.slot = slot};
	__u64 now = bpf_ktime_get_ns(), *last;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), from.ip, 4))
			return 0;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), from.ip, 16))
			return 0;
	} else {
		return 0;
	}
	last = bpf_map_lookup_elem(&told, &from);
	if (last && now - *last < TELL_EVERY)
		return 0;
	bpf_map_update_elem(&told, &from, &now, BPF_ANY);
	return 1;
}

// Drops a frame that came in at slot and does not fit into a tunnel; mtu is what would fit.
// Now and then its sender is told.
static __always_inline int too_big(struct __sk_buff *skb, __u32 slot, __u32 mtu, struct size *s)
{
	struct member *m = bpf_map_lookup_elem(&members, &slot);
	int length = 0, result = drop(skb, DROP_TOO_BIG);
	struct size reply = {.packets = 1};

	if (!m || s->tagged || !may_tell(skb, slot))
		return result;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		length = make_too_big4(skb, mtu);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		length = make_too_big6(skb, mtu);
	if (!length)
		return result;
	reply.bytes = reply.largest = length;
	return redirect_member(skb, m, slot, &reply);
}
