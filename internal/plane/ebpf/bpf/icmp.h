// SPDX-License-Identifier: Apache-2.0
// Messages of ICMP and ICMPv6 to the sender of a packet that is dropped. The frame becomes the
// message, which goes back where it came from.
#pragma once

#include <linux/in.h>

#include "learn.h"
#include "output.h"
#include "stage.h"

#define QUOTED 8 // bytes of the dropped packet after its IP header: the ports
// With IPv6 they may be behind extension headers, and without them the message says nothing.
#define QUOTED6 (64 + 8)

// ICMP and ICMPv6 have their errors in the same form.
struct icmp {
	__u8 type, code;
	__u16 checksum;
	__be32 mtu; // of "too big"
};

#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_NET_UNREACH 0 // codes of it
#define ICMP_FRAG_NEEDED 4
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMPV6_DEST_UNREACH 1
#define ICMPV6_PKT_TOOBIG 2
#define ICMPV6_TIME_EXCEEDED 3
#define ICMPV6_FIRST_INFO 128 // types below are errors
#define ICMPV6_ECHO 128
#define ICMPV6_ECHOREPLY 129

struct error4 {
	struct ethhdr eth;
	struct iphdr ip;
	struct icmp icmp;
	struct iphdr quoted_ip;
	__u8 quoted[QUOTED];
} __attribute__((packed, aligned(2)));

struct error6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct icmp icmp;
	struct ipv6hdr quoted_ip;
	__u8 quoted[QUOTED6];
} __attribute__((packed, aligned(2)));

#define TELL_EVERY 1000000ULL // ns, for each sender

// What the sender of the frame under way is told.
static __always_inline struct message *get_message(void)
{
	struct passage *p = get_passage();

	return p ? &p->message : NULL;
}

// Makes the frame the message m; 0 if that fails. A checksum that a NIC gave the frame is gone
// with its new length, so there is none to keep right.
static __always_inline int cut(struct __sk_buff *skb, void *m, __u32 length)
{
	if (bpf_skb_change_tail(skb, length, 0) || bpf_skb_store_bytes(skb, 0, m, length, 0))
		return 0;
	return length;
}

// The Ethernet header of what goes back to the sender of the frame. 0 if that fails.
static __always_inline int turn_back(struct __sk_buff *skb, struct ethhdr *eth, struct message *s)
{
	if (bpf_skb_load_bytes(skb, 0, eth, sizeof(*eth)))
		return 0;
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	if (s->router) {
		__builtin_memcpy(eth->h_source, s->mac, ETH_ALEN);
		return 1;
	}
	return !bpf_skb_load_bytes(skb, 0, eth->h_source, ETH_ALEN);
}

// The length of the message that the frame has become, or 0.
__noinline int make_error4(struct __sk_buff *skb)
{
	struct message *s = get_message();
	struct error4 m = {};

	if (!s || !turn_back(skb, &m.eth, s) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &m.quoted_ip, sizeof(m.quoted_ip) + QUOTED))
		return 0;
	// Only of the first fragment, never about an error message; and that it is too big only those
	// want to hear who asked not to be fragmented.
	if (m.quoted_ip.ihl != 5 || m.quoted_ip.frag_off & FRAGMENT_OFFSET ||
	    bpf_ntohs(m.quoted_ip.tot_len) < sizeof(m.quoted_ip) + QUOTED)
		return 0;
	if (s->code == ICMP_FRAG_NEEDED && (m.quoted_ip.frag_off & bpf_htons(0x6000)) != bpf_htons(0x4000))
		return 0;
	if (m.quoted_ip.protocol == IPPROTO_ICMP && m.quoted[0] != ICMP_ECHO && m.quoted[0] != ICMP_ECHOREPLY)
		return 0;

	m.ip.version = 4;
	m.ip.ihl = 5;
	m.ip.tos = 0xc0; // internetwork control
	m.ip.tot_len = bpf_htons(sizeof(m) - ETH_HLEN);
	m.ip.ttl = 64;
	m.ip.protocol = IPPROTO_ICMP;
	m.ip.saddr = s->router ? s->ip.word[3] : m.quoted_ip.daddr;
	m.ip.daddr = m.quoted_ip.saddr;
	m.ip.check = fold16(add16(0, &m.ip, sizeof(m.ip)));
	m.icmp.type = s->type;
	m.icmp.code = s->code;
	m.icmp.mtu = bpf_htonl(s->mtu);
	m.icmp.checksum = fold16(add16(0, &m.icmp, sizeof(m) - ETH_HLEN - sizeof(m.ip)));
	return cut(skb, &m, sizeof(m));
}

// 1 if the packet is an ICMPv6 error: nobody wants to hear of those.
static __always_inline int is_error6(struct __sk_buff *skb)
{
	__u64 end = find_headers(skb);
	__u8 type;

	return end >> 32 == IPPROTO_ICMPV6 &&
	       (bpf_skb_load_bytes(skb, end, &type, 1) || type < ICMPV6_FIRST_INFO);
}

__noinline int make_error6(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	__u32 sum, quoted = skb->len - ETH_HLEN;
	struct message *s;
	struct error6 *m;

	if (!p || is_error6(skb))
		return 0;
	s = &p->message;
	m = (struct error6 *)p->body; // on the stack there would be no room
	__builtin_memset(m, 0, sizeof(*m));
	if (!turn_back(skb, &m->eth, s))
		return 0;
	if (quoted < sizeof(m->quoted_ip))
		return 0;
	quoted -= sizeof(m->quoted_ip);
	if (quoted > QUOTED6)
		quoted = QUOTED6;
	// The verifier of Linux 6.1 has to see that what is added now is less than that, and the sum more than 0.
	asm volatile("" : "+r"(quoted));
	quoted += sizeof(m->quoted_ip);
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &m->quoted_ip, quoted))
		return 0;

	m->ip.version = 6;
	m->ip.payload_len = bpf_htons(sizeof(m->icmp) + quoted);
	m->ip.nexthdr = IPPROTO_ICMPV6;
	m->ip.hop_limit = 64;
	if (s->router)
		__builtin_memcpy(&m->ip.saddr, &s->ip6, sizeof(m->ip.saddr));
	else
		m->ip.saddr = m->quoted_ip.daddr;
	m->ip.daddr = m->quoted_ip.saddr;
	m->icmp.type = s->type6;
	m->icmp.code = s->code6;
	m->icmp.mtu = bpf_htonl(s->mtu);
	// With the pseudo header: both addresses, the length, the protocol. What is not quoted is zero.
	sum = add16(0, &m->ip.saddr, 32) + m->ip.payload_len + bpf_htons(IPPROTO_ICMPV6);
	m->icmp.checksum = fold16(add16(sum, &m->icmp, sizeof(*m) - ETH_HLEN - sizeof(m->ip)));
	return cut(skb, m, ETH_HLEN + sizeof(m->ip) + sizeof(m->icmp) + quoted);
}

// Finds the sender of a packet; 0: there is none.
static __always_inline int find_sender(struct __sk_buff *skb, struct sender *from)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), from->ip, 4);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), from->ip, 16);
	return 0;
}

// Says whether the sender of a packet may be told now: each of them by itself, so that one
// that does not listen keeps no other from hearing.
__noinline int may_tell(struct __sk_buff *skb, __u32 slot)
{
	struct sender from = {.slot = slot};
	__u64 now = bpf_ktime_get_ns(), *last;

	if (!find_sender(skb, &from))
		return 0;
	last = bpf_map_lookup_elem(&told, &from);
	if (last && now - *last < TELL_EVERY)
		return 0;
	bpf_map_update_elem(&told, &from, &now, BPF_ANY);
	return 1;
}

// Takes it back: there was nothing to be told of this packet, and of the next one there may be.
__noinline int was_not_told(struct __sk_buff *skb, __u32 slot)
{
	struct sender from = {.slot = slot};

	return find_sender(skb, &from) ? bpf_map_delete_elem(&told, &from) : 0;
}

// Drops a frame that came in at slot, of which the reason has been counted. Now and then its sender
// is told what get_message has.
static __always_inline int tell_sender(struct __sk_buff *skb, __u32 slot, int result)
{
	struct member *m = bpf_map_lookup_elem(&members, &slot);
	struct size reply = {.packets = 1};
	int length = 0;

	if (!m || !may_tell(skb, slot))
		return result;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		length = make_error4(skb);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		length = make_error6(skb);
	if (!length) {
		was_not_told(skb, slot);
		return result;
	}
	reply.bytes = reply.largest = length;
	return redirect_member(skb, m, slot, &reply);
}
