// SPDX-License-Identifier: Apache-2.0
// Routing: the stage of frames to the router of their switch. The packet goes a hop further, and then
// as all frames do in the switch that the route leads to:
//
//   for the router itself --> echo
//   routes4, routes6 --> the next hop --> neighbors --> remotes | locals | floods
#pragma once

#include "direct.h"
#include "flood.h"
#include "gateway.h"
#include "hop.h"

// As slot: a router has sent the frame, and everybody in the switch may get it.
#define FROM_ROUTER 0xffffffff

// ---- what senders are told -------------------------------------------------------------

// Drops the packet. The sender is told by the router, if it is at a port.
__noinline int refuse(struct __sk_buff *skb, __u32 reason, __u32 types, __u32 mtu)
{
	struct passage *p = get_passage();
	int result = drop(skb, reason);
	struct message *about = get_message();
	struct gateway *g;

	if (!p || !p->slot || !about)
		return result;
	g = gateway_of(p->bd);
	if (!g || is_no_address(skb->protocol == bpf_htons(ETH_P_IP) ? &g->ip : &g->ip6))
		return result;
	about->type = types >> 24;
	about->code = types >> 16;
	about->type6 = types >> 8;
	about->code6 = types;
	about->router = 1;
	about->mtu = mtu;
	about->ip = g->ip;
	about->ip6 = g->ip6;
	__builtin_memcpy(about->mac, g->mac, ETH_ALEN);
	return tell_sender(skb, p->slot, result);
}

#define TYPES(type, code, type6, code6) ((type) << 24 | (code) << 16 | (type6) << 8 | (code6))
#define TELL_NO_ROUTE TYPES(ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ICMPV6_DEST_UNREACH, 0)
#define TELL_EXPIRED TYPES(ICMP_TIME_EXCEEDED, 0, ICMPV6_TIME_EXCEEDED, 0)
#define TELL_TOO_BIG TYPES(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMPV6_PKT_TOOBIG, 0)

// ---- access control lists --------------------------------------------------------------

// 0, or why a packet may not come to the router, or leave it, by the interface there that its source,
// or its next hop, is next to; the hop is NULL while it comes.
__noinline int interface_denies(struct __sk_buff *skb, struct hop *leaves, struct size *s)
{
	struct interface_key key = {.length = 32 + 128};
	struct passage *p = get_passage();
	__u32 *number;

	if (!p || !s)
		return 0;
	if (leaves) {
		key.bd = leaves->next.bd;
		key.ip = leaves->ip;
	} else {
		key.bd = p->bd;
		if (skb->protocol == bpf_htons(ETH_P_IP)) {
			key.ip = address4(0);
			if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), &key.ip.word[3], 4))
				return 0; // it is no packet
		} else if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), &key.ip, sizeof(key.ip))) {
			return 0;
		}
	}
	number = bpf_map_lookup_elem(&interfaces, &key);
	return number ? acl_refuses(skb, *number, leaves != NULL, s) : 0;
}

// ---- the next hop ----------------------------------------------------------------------

// Writes the headers of a frame a hop further. 0 if that fails.
static __always_inline int next_hop(struct __sk_buff *skb, const __u8 *dst, const __u8 *src)
{
	void *data = (void *)(long)skb->data;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	__u32 sum;

	if (data + ETH_HLEN + sizeof(*ip) > (void *)(long)skb->data_end)
		return 0; // it was there a moment ago
	__builtin_memcpy(eth->h_dest, dst, ETH_ALEN);
	__builtin_memcpy(eth->h_source, src, ETH_ALEN);
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		// The sum of the header stays as it is (RFC 1624), and so does that which a NIC gave
		// the frame.
		ip->ttl--;
		sum = ip->check + bpf_htons(0x0100);
		ip->check = sum + (sum >= 0xffff);
		return 1;
	}
	if ((void *)(ip6 + 1) > (void *)(long)skb->data_end)
		return 0;
	// Here a sum that a NIC gave changes: by a word of which the hop limit is the end.
	ip6->hop_limit--;
	bpf_csum_update(skb, bpf_htons(0xfffe)); // minus one
	return 1;
}

// Hands the packet to the station of its next hop.
static __always_inline int hand_on(struct __sk_buff *skb, struct passage *p, struct hop *h)
{
	struct settings *cfg = get_config();
	struct target t = {.peer = h->peer, .id = h->vni};
	struct size *size = &p->size;
	struct member *m = NULL;
	struct peer *to = NULL;
	struct local *l;
	__u32 slot = 0;
	int result;

	capture(skb, CAPTURE_ENTER, h->next.bd, 0);
	if (!cfg)
		return drop(skb, DROP_FAILED);
	if (t.peer) {
		to = bpf_map_lookup_elem(&peers, &t.peer);
		if (to && !fits_tunnel(to, size)) {
			use_path(t.peer);
			return refuse(skb, DROP_TOO_BIG, TELL_TOO_BIG, to->mtu - outer_headers(to) - ETH_HLEN);
		}
	} else {
		l = find_local(&h->next, &m);
		if (l) {
			slot = l->slot;
			if (fits_member(m, size) == DROP_TOO_BIG)
				return refuse(skb, DROP_TOO_BIG, TELL_TOO_BIG, m->mtu);
		}
	}
	if (!next_hop(skb, h->next.mac, p->mac))
		return drop(skb, DROP_FAILED);
	if (cfg->flags & CONFIG_INTERFACES) {
		result = interface_denies(skb, h, size);
		if (result)
			return drop(skb, result);
	}
	if (t.peer) {
		if (!cfg->vxlan_ifindex)
			return redirect_tunnel(skb, &t, size); // it knows why not
		use_path(t.peer);
		return to_fitting(skb, cfg, &t, to, size);
	}
	if (slot && m)
		return redirect_member(skb, m, slot, size);
	// Or flood would have a part that no frame reaches.
	result = flood(skb, &h->next, FROM_ROUTER ^ cfg->zero, size);
	return result >= FLOOD_TOO_BIG ? drop(skb, DROP_TOO_BIG) : result;
}

// Hands a packet whose next hop nobody is known to have to the agent, which asks, and sends it later or counts it
// as dropped. One that is too large for that is only shown.
__noinline int ask_for(struct __sk_buff *skb, struct ip_key *hop)
{
	struct punt_head about = {.reason = PUNT_NO_NEIGHBOR};
	struct passage *p = get_passage();

	if (!p || !hop)
		return drop(skb, DROP_FAILED);
	came_where(p, &about);
	about.vni = hop->bd;
	about.ip = hop->ip;
	if (punt(skb, &about, PUNT_LARGE) && skb->len <= PUNT_LARGE) {
		capture(skb, CAPTURE_HELD, 0, 0);
		return TC_ACT_SHOT;
	}
	return drop(skb, DROP_NO_NEIGHBOR);
}

// ---- packets for the router itself -----------------------------------------------------

struct echo4 {
	struct ethhdr eth;
	struct iphdr ip;
	__u8 type, code;
	__u16 checksum;
} __attribute__((packed, aligned(2)));

struct echo6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	__u8 type, code;
	__u16 checksum;
} __attribute__((packed, aligned(2)));

// A checksum after a word that it covers has changed (RFC 1624).
static __always_inline __u16 adjust(__u16 checksum, __u16 before, __u16 after)
{
	return fold16((__u32)(__u16)~checksum + (__u16)~before + after);
}

#define ECHO_LEAST 8 // bytes of a message

// A request in fragments is answered one by one: the answer is as long, and has the same data. Those of which the first
// has passed are known so long.
#define ECHO_TIME (5 * SECOND)

// Whether a fragment is of a request that is answered, as which the first one is known.
static __always_inline int is_of_echo(struct echo_key *key, int first)
{
	__u64 now = bpf_ktime_get_coarse_ns(), *since;

	if (first)
		return !bpf_map_update_elem(&echoes, key, &now, BPF_ANY);
	since = bpf_map_lookup_elem(&echoes, key);
	return since && now - *since < ECHO_TIME;
}

#define FRAGMENT_OFFSET bpf_htons(0x1fff)
#define FRAGMENT_ANY bpf_htons(0x3fff)
#define FRAGMENT_OFFSET6 bpf_htons(0xfff8)

__noinline int echo_back4(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct echo_key key = {};
	struct gateway *g;
	struct echo4 f;
	int first;
	__be32 ip;
	__u16 was;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g || !p->slot || bpf_skb_load_bytes(skb, 0, &f, offsetof(struct echo4, type)) || f.ip.ihl != 5 || f.ip.protocol != IPPROTO_ICMP)
		return drop(skb, DROP_UNSERVED);
	first = !(f.ip.frag_off & FRAGMENT_OFFSET);
	if (first && (bpf_ntohs(f.ip.tot_len) < sizeof(f.ip) + ECHO_LEAST || bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) ||
		      f.type != ICMP_ECHO || f.code))
		return drop(skb, DROP_UNSERVED);
	if (f.ip.frag_off & FRAGMENT_ANY) {
		key.bd = p->bd;
		key.src = address4(f.ip.saddr);
		key.dst = address4(f.ip.daddr);
		key.id = f.ip.id;
		if (!is_of_echo(&key, first))
			return drop(skb, DROP_UNSERVED);
	}
	__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, g->mac, ETH_ALEN);
	was = bpf_htons(f.ip.ttl << 8 | f.ip.protocol);
	f.ip.ttl = 64;
	f.ip.check = adjust(f.ip.check, was, bpf_htons(64 << 8 | IPPROTO_ICMP));
	ip = f.ip.saddr;
	f.ip.saddr = f.ip.daddr;
	f.ip.daddr = ip;
	if (bpf_skb_store_bytes(skb, 0, &f, offsetof(struct echo4, type), 0))
		return drop(skb, DROP_FAILED);
	if (first) {
		f.type = ICMP_ECHOREPLY;
		f.checksum = adjust(f.checksum, bpf_htons(ICMP_ECHO << 8), 0);
		if (bpf_skb_store_bytes(skb, offsetof(struct echo4, type), &f.type, sizeof(f) - offsetof(struct echo4, type), 0))
			return drop(skb, DROP_FAILED);
	}
	return send_back(skb, p, skb->len);
}

struct fragment6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	__u8 next, zero;
	__be16 offset;
	__be32 id;
	__u8 type, code;
	__u16 checksum;
} __attribute__((packed, aligned(2)));

__noinline int echo_fragment6(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct echo_key key = {};
	struct fragment6 f = {};
	struct gateway *g;
	int first;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g || !p->slot || bpf_skb_load_bytes(skb, 0, &f, offsetof(struct fragment6, type)) ||
	    bpf_ntohs(f.ip.payload_len) < offsetof(struct fragment6, type) - offsetof(struct fragment6, next) || f.next != IPPROTO_ICMPV6)
		return drop(skb, DROP_UNSERVED);
	first = !(f.offset & FRAGMENT_OFFSET6);
	if (first && (bpf_ntohs(f.ip.payload_len) < 8 + ECHO_LEAST ||
		      bpf_skb_load_bytes(skb, offsetof(struct fragment6, type), &f.type, sizeof(f) - offsetof(struct fragment6, type)) ||
		      f.type != ICMPV6_ECHO || f.code))
		return drop(skb, DROP_UNSERVED);
	key.bd = p->bd;
	__builtin_memcpy(&key.src, &f.ip.saddr, sizeof(key.src));
	__builtin_memcpy(&key.dst, &f.ip.daddr, sizeof(key.dst));
	key.id = f.id;
	if (!is_of_echo(&key, first))
		return drop(skb, DROP_UNSERVED);
	__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, g->mac, ETH_ALEN);
	f.ip.hop_limit = 64;
	__builtin_memcpy(&f.ip.saddr, &key.dst, sizeof(key.dst));
	__builtin_memcpy(&f.ip.daddr, &key.src, sizeof(key.src));
	if (bpf_skb_store_bytes(skb, 0, &f.eth, sizeof(f.eth), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &f.ip, sizeof(f.ip), BPF_F_RECOMPUTE_CSUM))
		return drop(skb, DROP_FAILED);
	if (first) {
		f.type = ICMPV6_ECHOREPLY;
		f.checksum = adjust(f.checksum, bpf_htons(ICMPV6_ECHO << 8), bpf_htons(ICMPV6_ECHOREPLY << 8));
		if (bpf_skb_store_bytes(skb, offsetof(struct fragment6, type), &f.type, sizeof(f) - offsetof(struct fragment6, type), BPF_F_RECOMPUTE_CSUM))
			return drop(skb, DROP_FAILED);
	}
	return send_back(skb, p, skb->len);
}

__noinline int echo_back6(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct gateway *g;
	struct in6_addr ip;
	struct echo6 f;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g || !p->slot || bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) || f.ip.nexthdr != IPPROTO_ICMPV6 ||
	    bpf_ntohs(f.ip.payload_len) < ECHO_LEAST || f.type != ICMPV6_ECHO || f.code)
		return drop(skb, DROP_UNSERVED);
	__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, g->mac, ETH_ALEN);
	f.ip.hop_limit = 64;
	ip = f.ip.saddr;
	f.ip.saddr = f.ip.daddr;
	f.ip.daddr = ip;
	f.type = ICMPV6_ECHOREPLY;
	f.checksum = adjust(f.checksum, bpf_htons(ICMPV6_ECHO << 8), bpf_htons(ICMPV6_ECHOREPLY << 8));
	if (bpf_skb_store_bytes(skb, 0, &f.eth, sizeof(f.eth), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &f.ip, sizeof(f) - ETH_HLEN, BPF_F_RECOMPUTE_CSUM))
		return drop(skb, DROP_FAILED);
	return send_back(skb, p, skb->len);
}

// The header behind that of Ethernet, of which so many bytes are there to be read; NULL: it is shorter.
static __always_inline void *network_header(struct __sk_buff *skb, __u32 length)
{
	if ((void *)(long)skb->data + ETH_HLEN + length > (void *)(long)skb->data_end &&
	    (skb->len < ETH_HLEN + length || bpf_skb_pull_data(skb, ETH_HLEN + length)))
		return NULL;
	if ((void *)(long)skb->data + ETH_HLEN + length > (void *)(long)skb->data_end)
		return NULL;
	return (void *)(long)skb->data + ETH_HLEN;
}

// What a router wants to know of a packet.
struct packet {
	struct address dst;
	__u32 ttl;       // or hop limit
	__u32 from_link; // 1: from a link-local address
	__u32 fragment;  // 1: of IPv6, a fragment
};

// As the end of a function: nothing is wrong with the packet, or the hop has all that is to be known.
#define GO_ON (-4)

// ---- IPv4 ------------------------------------------------------------------------------

// Whether a packet from the address, or to it, may leave its link: not of 0/8, 127/8, 169.254/16, 224/3.
static __always_inline int leaves_link4(__be32 ip)
{
	__u32 a = bpf_ntohl(ip);

	return a >> 24 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 29 != 7;
}

#define OPTIONS_MOST 40

// How far the options of a header, which is in the passage, have been looked through.
struct ip_options {
	__u32 at, end;
	__u32 source_route;
};

static long next_ip_option(__u32 i, void *ctx)
{
	struct passage *p = get_passage();
	struct ip_options *o = ctx;
	__u32 at = o->at, length = 1;
	__u8 kind;

	if (!p || at >= o->end || at >= sizeof(struct iphdr) + OPTIONS_MOST)
		return 1;
	kind = p->body[at & 127];
	if (kind == 131 || kind == 137)
		o->source_route = 1;
	if (!kind || o->source_route)
		return 1;
	if (kind != 1)
		length = p->body[(at + 1) & 127];
	if (kind != 1 && length < 2)
		return 1;
	o->at = at + length;
	return 0;
}

// What is wrong with a header of `length` bytes, which has options: DROP_REASONS if nothing is.
static __noinline int check_options(struct __sk_buff *skb, __u32 length)
{
	struct settings *cfg = get_config();
	struct passage *p = get_passage();
	struct ip_options o = {.at = sizeof(struct iphdr), .end = length};
	__s64 sum;

	if (!p || !cfg || length <= sizeof(struct iphdr) || length > sizeof(struct iphdr) + OPTIONS_MOST)
		return DROP_BAD_IP;
	__builtin_memset(p->body, 0, 64);
	if (bpf_skb_load_bytes(skb, ETH_HLEN, p->body, length))
		return DROP_BAD_IP;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)p->body, 64, 0);
	if (sum < 0 || fold16((sum & 0xffff) + (sum >> 16)))
		return DROP_BAD_IP;
	o.source_route = cfg->zero; // see struct flooding
	bpf_loop(OPTIONS_MOST, next_ip_option, &o, 0);
	return o.source_route ? DROP_SOURCE_ROUTE : DROP_REASONS;
}

static __always_inline int read4(struct __sk_buff *skb, struct packet *k)
{
	__u32 length, header;
	struct iphdr *ip;
	__be32 from;
	int why;

	ip = network_header(skb, sizeof(*ip));
	if (!ip)
		return drop(skb, DROP_BAD_IP);
	header = ip->ihl * 4;
	length = bpf_ntohs(ip->tot_len);
	k->ttl = ip->ttl;
	from = ip->saddr;
	k->dst = address4(ip->daddr);
	if (skb->gso_size && !length)
		length = skb->len - ETH_HLEN;
	if (ip->version != 4 || header < sizeof(*ip) || length < header || length + ETH_HLEN > skb->len || !k->ttl)
		return drop(skb, DROP_BAD_IP);
	if (header == sizeof(*ip)) {
		if (ip_checksum(ip))
			return drop(skb, DROP_BAD_IP);
	} else {
		why = check_options(skb, header);
		if (why != DROP_REASONS)
			return drop(skb, why);
	}
	if (!leaves_link4(from) || !leaves_link4(k->dst.word[3]))
		return drop(skb, DROP_UNROUTABLE);
	return GO_ON;
}

// ---- IPv6 ------------------------------------------------------------------------------

static __always_inline int is_link_local(struct in6_addr *a)
{
	return (a->in6_u.u6_addr32[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

// Whether it is of a host: not of a group, ::, or ::1.
static __always_inline int is_host6(struct in6_addr *a)
{
	return a->in6_u.u6_addr8[0] != 0xff &&
	       (a->in6_u.u6_addr32[0] | a->in6_u.u6_addr32[1] | a->in6_u.u6_addr32[2] ||
		bpf_ntohl(a->in6_u.u6_addr32[3]) > 1);
}

static __always_inline int read6(struct __sk_buff *skb, struct packet *k)
{
	struct ipv6hdr *ip = network_header(skb, sizeof(*ip));

	if (!ip || ip->version != 6 || !ip->hop_limit || ETH_HLEN + sizeof(*ip) + bpf_ntohs(ip->payload_len) > skb->len)
		return drop(skb, DROP_BAD_IP);
	if (!is_host6(&ip->saddr) || !is_host6(&ip->daddr) || is_link_local(&ip->daddr))
		return drop(skb, DROP_UNROUTABLE);
	k->ttl = ip->hop_limit;
	k->fragment = ip->nexthdr == IPPROTO_FRAGMENT;
	k->from_link = is_link_local(&ip->saddr);
	__builtin_memcpy(&k->dst, &ip->daddr, sizeof(k->dst));
	return GO_ON;
}

// ---- the way ---------------------------------------------------------------------------

// The longest prefix that the router has for an address, or NULL. Not inlined, for the stack that the rest needs.
static __noinline struct way *find_way(struct __sk_buff *skb, __u32 router, struct address *dst)
{
	struct route_key6 key = {.length = 32 + 128, .router = router};
	struct route_key4 key4 = {.length = 32 + 32, .router = router};

	if (!dst)
		return NULL;
	key.ip = *dst;
	key4.ip = dst->word[3];
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return bpf_map_lookup_elem(&routes4, &key4);
	return bpf_map_lookup_elem(&routes6, &key);
}

// Finds the next hop of a packet, which is not for the router itself.
static __always_inline int find_hop(struct __sk_buff *skb, struct way *w, __u32 router, struct packet *k, __u64 now,
				    struct hop *h, __u64 found)
{
	struct ip_key key = {};
	struct neighbor *n;
	struct remote *r;

	if (!w)
		return refuse(skb, DROP_NO_ROUTE, TELL_NO_ROUTE, 0);
	if (w->kind == WAY_EDGE)
		return drop(skb, DROP_UNROUTABLE);
	if (k->ttl <= 1)
		return refuse(skb, DROP_TTL_EXCEEDED, TELL_EXPIRED, 0);
	key.bd = w->bd;
	key.ip = w->kind == WAY_VIA ? w->via : k->dst;
	n = bpf_map_lookup_elem(&neighbors, &key);
	if (!n)
		return ask_for(skb, &key);
	if (n->kind == NEIGHBOR_ROUTER)
		return drop(skb, DROP_NO_NEIGHBOR);
	if (now - n->used > SECOND)
		n->used = now;
	h->used = n->used;
	h->next.bd = key.bd;
	h->next.kind = 0;
	__builtin_memcpy(h->next.mac, n->mac, ETH_ALEN);
	h->peer = h->vni = 0;
	r = bpf_map_lookup_elem(&remotes, &h->next);
	if (r && r->peer == ROUTER_PEER)
		return drop(skb, DROP_UNROUTABLE);
	if (r) {
		h->peer = r->peer;
		h->vni = r->vni;
	}
	h->router = router;
	h->dst = k->dst;
	h->ip = key.ip;
	h->generation = found;
	return GO_ON;
}

// Sends a packet on.
static __always_inline int go(struct __sk_buff *skb, struct passage *p, __u32 router, struct packet *k)
{
	__u32 place = place_of(router, &k->dst);
	struct hop *h = bpf_map_lookup_elem(&hops, &place);
	__u64 now = coarse_now(p), found;
	struct way *w;
	int result;

	if (!h)
		return drop(skb, DROP_FAILED);
	if (is_current(h, router, &k->dst, now)) {
		if (k->from_link)
			return drop(skb, DROP_UNROUTABLE);
		if (k->ttl <= 1)
			return refuse(skb, DROP_TTL_EXCEEDED, TELL_EXPIRED, 0);
	} else {
		found = begin_hop(h);
		w = find_way(skb, router, &k->dst);
		if (w && w->kind == WAY_SELF)
			return skb->protocol == bpf_htons(ETH_P_IP) ? echo_back4(skb) : k->fragment ? echo_fragment6(skb) : echo_back6(skb);
		if (k->from_link)
			return drop(skb, DROP_UNROUTABLE);
		result = find_hop(skb, w, router, k, now, h, found);
		if (result != GO_ON)
			return result;
	}
	return hand_on(skb, p, h);
}

// ---- the stage -------------------------------------------------------------------------

// The router of the frame's switch, whose MAC the passage has then; 0: there is none.
static __always_inline __u32 router_of(struct __sk_buff *skb, struct passage *p)
{
	struct ethhdr *eth = ethernet(skb);
	struct gateway *g;

	if (p->router && eth) { // it was sent to that MAC, and whoever found it there knows of whom that is
		__builtin_memcpy(p->mac, eth->h_dest, ETH_ALEN);
		return p->router;
	}
	g = gateway_of(p->bd);
	if (!g)
		return 0;
	__builtin_memcpy(p->mac, g->mac, ETH_ALEN);
	return g->router;
}

// Whether it is worth a closer look.
static __always_inline int may_be_neighbor(struct __sk_buff *skb)
{
	struct ipv6hdr *ip = (void *)(long)skb->data + ETH_HLEN;

	return skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(ip + 1) > (void *)(long)skb->data_end || ip->nexthdr == IPPROTO_ICMPV6;
}

static __always_inline int route(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct passage *p = get_passage();
	struct packet k = {};
	__u32 router;
	int result;

	if (!p || !cfg)
		return drop(skb, DROP_FAILED);
	router = router_of(skb, p);
	if (!router) { // it has just gone, or the VTEP itself is answered, which has learned what it asked for
		if (p->slot && !p->size.tagged && is_neighbor_message(skb))
			return TC_ACT_SHOT;
		return drop(skb, DROP_NO_DESTINATION);
	}
	if (p->size.tagged)
		return drop(skb, DROP_UNROUTABLE);
	if (skb->protocol != bpf_htons(ETH_P_IP) && may_be_neighbor(skb) && is_neighbor_message(skb)) {
		result = take_for_gateway(skb);
		return result == NOT_TAKEN ? drop(skb, DROP_UNSERVED) : result;
	}
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return drop(skb, DROP_UNROUTABLE);
	if (cfg->flags & CONFIG_INTERFACES) {
		result = interface_denies(skb, NULL, &p->size);
		if (result)
			return drop(skb, result);
	}
	if (skb->protocol == bpf_htons(ETH_P_IP))
		result = read4(skb, &k);
	else
		result = read6(skb, &k);
	return result == GO_ON ? go(skb, p, router, &k) : result;
}
