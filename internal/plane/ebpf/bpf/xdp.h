// SPDX-License-Identifier: Apache-2.0
// Known unicast by native XDP: in the driver, before the kernel makes a buffer of its own of a frame. Only what
// the programs at TC ingress would do in the same way, byte for byte and count for count, is done here; for every
// other frame the answer is XDP_PASS, with nothing counted and nothing changed, and they see it. Nothing is dropped
// here.
#pragma once

#include "overlay.h"
#include "port.h"

static __always_inline void count_native(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&native_counts, &what);

	if (n)
		(*n)++;
}

// Whether the frame may be handled here. Without an agent, which looks after what is written of the
// neighbours and tells of a device that got into another network namespace, all pass after a while.
static __always_inline int is_native(struct xdp_md *x, __u64 now)
{
	__u32 zero = 0;
	struct native *n = bpf_map_lookup_elem(&native, &zero);

	if (!n || !(n->flags & NATIVE_ON) || (__s64)(now - n->alive) >= ALIVE_FOR)
		return 0;
	return bpf_xdp_get_buff_len(x) == x->data_end - x->data; // or some of it is elsewhere
}

// What has to be known of the IP packet in a frame.
struct packet {
	__u32 tos;  // or traffic class
	__u32 flow; // the same for all packets of a flow
	__u32 icmp6;
};

static __always_inline __u32 mix(__u64 a, __u64 b)
{
	a = (a ^ b * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
	return a >> 32 ^ a >> 17;
}

// 0: not all of the header is there.
static __always_inline int look_at(void *at, void *end, __be16 proto, struct packet *p)
{
	__u64 from, to, ports = 0;
	__u8 next;

	p->icmp6 = 0;
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at;

		if ((void *)(ip + 1) > end)
			return 0;
		p->tos = ip->tos;
		next = ip->protocol;
		from = ip->saddr;
		to = ip->daddr;
		at += ip->ihl * 4;
		if (ip->frag_off & bpf_htons(0x3fff))
			next = 0; // not all fragments have ports
	} else {
		struct ipv6hdr *ip = at;
		__u64 *half = at + offsetof(struct ipv6hdr, saddr);

		if ((void *)(ip + 1) > end)
			return 0;
		p->tos = bpf_ntohs(*(__be16 *)at) >> 4 & 0xff;
		next = ip->nexthdr;
		from = half[0] ^ half[1] << 1;
		to = half[2] ^ half[3] << 1;
		p->icmp6 = next == IPPROTO_ICMPV6;
		at += sizeof(*ip);
	}
	if ((next == IPPROTO_TCP || next == IPPROTO_UDP) && at + 4 <= end)
		ports = *(__u32 *)at;
	p->flow = mix(from << 32 ^ from >> 32 ^ to, ports << 8 | next);
	return 1;
}

#ifdef VETH
// Frames of a veth device may be buffers of the kernel in which the last checksum is not finished: the field has the sum
// of the pseudo header, and the device that sends the frame is to add the rest. That is said beside the bytes and
// would be lost. (The tag that may also be beside them is why a veth port with VLANs has no program, xdpfit.go.)
#define CHUNK 64
#define CHUNKS 32

static __always_inline __u32 sum_up(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 << 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : sum; // both are nothing
}

// Bytes that are summed up. What it begins with comes from the frame; see struct flooding.
struct summing {
	struct xdp_md *x;
	__u32 at, length; // of what is left
	__u64 sum;        // ~0: there is less than that
};

static long sum_chunk(__u32 i, void *ctx)
{
	__u32 buffer[CHUNK / 4] = {};
	struct summing *s = ctx;
	__u64 n;

	n = s->length < CHUNK ? s->length : CHUNK;
	// The verifier has to see what the compiler knows: both bounds, each by itself, as Linux 6.1 wants it.
	asm volatile("" : "+r"(n));
	if ((__s64)n <= 0)
		return 1;
	asm volatile("" : "+r"(n));
	if (n > CHUNK)
		return 1;
	if (bpf_xdp_load_bytes(s->x, s->at, buffer, n)) {
		s->sum = ~0ULL;
		return 1;
	}
	s->sum += (__u32)bpf_csum_diff(NULL, 0, buffer, sizeof(buffer), 0);
	s->at += n;
	s->length -= n;
	return 0;
}

// 1 if no checksum of the IP packet that begins there, or of what it may have in it, is left to be finished.
__noinline int is_finished(struct xdp_md *x, __u32 off, __u32 proto)
{
	void *at = (void *)(long)x->data + (off & 0xff), *end = (void *)(long)x->data_end;
	struct summing s = {};
	__u32 length, from;
	__be16 *field;
	__u64 pseudo;
	__u8 next;

	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at;

		if ((void *)(ip + 1) > end || ip->frag_off & bpf_htons(0x3fff) || ip->ihl != 5)
			return 0;
		next = ip->protocol;
		length = bpf_ntohs(ip->tot_len) - sizeof(*ip);
		pseudo = (__u64)ip->saddr + ip->daddr;
		from = sizeof(*ip);
	} else {
		struct ipv6hdr *ip = at;
		__be32 *word;

		if ((void *)(ip + 1) > end)
			return 0;
		next = ip->nexthdr;
		length = bpf_ntohs(ip->payload_len);
		word = (void *)&ip->saddr;
		pseudo = (__u64)word[0] + word[1] + word[2] + word[3] + word[4] + word[5] + word[6] + word[7];
		from = sizeof(*ip);
	}
	if (next == IPPROTO_ICMP || next == IPPROTO_ICMPV6)
		return 1;
	if (next != IPPROTO_TCP && next != IPPROTO_UDP) // a tunnel, perhaps
		return 0;
	field = at + from + (next == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
	if ((void *)(field + 1) > end || length > CHUNK * CHUNKS)
		return 0;
	pseudo += bpf_htons(next) + bpf_htons(length);
	if (sum_up(pseudo) == sum_up(*field))
		return 0;
	if (next == IPPROTO_TCP)
		return 1;
	// In UDP there may be a tunnel, with something unfinished in it: then the bytes as they are don't add up.
	if (!*field)
		return 0;
	s.x = x;
	s.at = (off & 0xff) + from;
	s.length = length;
	s.sum = pseudo;
	bpf_loop(CHUNKS, sum_chunk, &s, 0);
	return !s.length && s.sum != ~0ULL && !sum_up(s.sum);
}
#else
#define is_finished(x, off, proto) 1
#endif

// As priorities does it.
static __always_inline __u32 native_priorities(struct settings *cfg, __u32 inner, __u32 outer)
{
	__u32 flags = cfg->flags;

	if (!(flags & PRIORITY_MASK))
		return 0;
	inner &= 0xfc;
	outer &= 0xfc;
	return priority(flags >> PRIORITY_TUNNEL_SHIFT, inner, outer) |
	       (priority(flags >> PRIORITY_TAG_SHIFT, inner, outer) & 0xe0) << (8 + 16);
}

// What a member makes of a frame.
struct outlet {
	__u32 slot;
	__u32 tag; // as it is on the wire, protocol first; 0: none
};

static __always_inline struct outlet outlet_of(struct member *m, __u32 slot, struct size *s)
{
	struct outlet o = {.slot = slot};
	__u32 proto = m->flags & MEMBER_SERVICE_TAG ? ETH_P_8021AD : ETH_P_8021Q;

	if (m->vid)
		o.tag = bpf_htonl(proto << 16 | m->vid | tag_priority(s));
	return o;
}

// Says that the frame is to leave by the device, which it does as soon as the program ends with that action, and not
// with XDP_PASS: nothing of it has to be as it will be. 0: the device takes none from here.
static __always_inline int may_redirect(__u32 outlet, __u32 ifindex)
{
	__u32 *device = bpf_map_lookup_elem(&outlets, &outlet);

	return device && *device == ifindex && bpf_redirect_map(&outlets, outlet, XDP_PASS) == XDP_REDIRECT;
}

// The same, by the member. Not for frames that are shorter than Ethernet's: many drivers pad what they send
// for the kernel, and not what they send for XDP.
static __always_inline int has_outlet(struct member *m, struct size *s)
{
	return s->bytes + (m->vid ? 4 : 0) >= ETH_ZLEN && !(m->features & FEATURE_ACL) && fits_member(m, s) == FITS &&
	       may_redirect(m->port, m->ifindex);
}

// As ip_checksum does it, in longer steps, which are for what is not on the stack.
static __always_inline __u16 header_checksum(void *ip)
{
	__be32 *word = ip;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	sum = (sum & 0xffffffff) + (sum >> 32);
	return fold16((sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32));
}

// The Ethernet addresses of a frame, to be written elsewhere.
struct macs {
	__u16 half[ETH_ALEN];
};

// Takes bytes away before the ethertype of the frame (or adds some, if there are less than none) and writes what is
// to be there instead. 0: it is as it was.
static __always_inline int reframe(struct xdp_md *x, int bytes, struct macs *macs, __u32 tag)
{
	__u32 length = sizeof(*macs) + (tag ? 4 : 0);
	void *data;

	if (tag)
		bytes -= 4;
	if (bytes && bpf_xdp_adjust_head(x, bytes))
		return 0;
	if (!bytes && !tag)
		return 1;
	data = (void *)(long)x->data;
	if (data + sizeof(*macs) + 4 > (void *)(long)x->data_end)
		return 0;
	__builtin_memcpy(data, macs, sizeof(*macs));
	if (length > sizeof(*macs))
		__builtin_memcpy(data + sizeof(*macs), &tag, sizeof(tag));
	return 1;
}

// ---- ports -----------------------------------------------------------------------------

// What comes before the inner frame.
struct outside {
	__u8 dst[ETH_ALEN];
	__u8 src[ETH_ALEN];
	__be16 proto;
	struct iphdr ip;
	struct udphdr udp;
	__be32 flags;
	__be32 vni;
} __attribute__((packed, aligned(2)));

// Fills it in for a frame of size s. 0: by this way, or from here, it can't go.
static __always_inline int surround(struct outside *o, struct settings *cfg, struct remote *r, struct size *s,
				    struct packet *in)
{
	__u32 peer = r->peer, length = s->bytes + OUTER_HEADERS;
	struct peer *p = bpf_map_lookup_elem(&peers, &peer);
	struct adjacency *a = bpf_map_lookup_elem(&adjacencies, &peer);
	__u8 ecn = in->tos & ECN_MASK;

	if (!p || !a || !cfg->vxlan_ifindex || !(cfg->flags & CONFIG_DIRECT_ENCAP) || !cfg->tunnel_ip)
		return 0;
	if (!p->ifindex || !is_address4(&p->ip) || !is_address4(&p->hop) || !fits_tunnel(p, s))
		return 0;
	if (!(a->flags & ADJACENCY_OUT) || a->ifindex != p->ifindex || a->hop != p->hop.word[3])
		return 0;
	if (!may_redirect(a->outlet, p->ifindex))
		return 0;
	__builtin_memcpy(o->dst, a->dst, ETH_ALEN);
	__builtin_memcpy(o->src, a->src, ETH_ALEN);
	o->proto = bpf_htons(ETH_P_IP);
	o->ip.version = 4;
	o->ip.ihl = 5;
	o->ip.tos = tunnel_priority(s) | (ecn == ECN_CE ? ECN_ECT_0 : ecn);
	o->ip.tot_len = bpf_htons(length);
	o->ip.id = 0;
	o->ip.frag_off = bpf_htons(0x4000); // don't fragment
	o->ip.ttl = 64;
	o->ip.protocol = IPPROTO_UDP;
	o->ip.check = 0;
	o->ip.saddr = bpf_htonl(cfg->tunnel_ip);
	o->ip.daddr = p->ip.word[3];
	o->ip.check = ip_checksum(&o->ip);
	o->udp.source = bpf_htons(0xc000 | (in->flow & 0x3fff));
	o->udp.dest = bpf_htons(vxlan_port);
	o->udp.len = bpf_htons(length - sizeof(o->ip));
	o->udp.check = 0;
	o->flags = bpf_htonl(VXLAN_HAS_VNI);
	o->vni = bpf_htonl(r->vni << 8);
	return 1;
}

// Counts a frame that came in at slot, and that its source was seen.
static __always_inline void count_in(__u32 slot, struct size *s, struct local *l, __u64 now)
{
	struct traffic *c = bpf_map_lookup_elem(&counters, &slot);

	if (c) {
		c->in_packets += s->packets;
		c->in_bytes += s->bytes;
	}
	if (now - l->seen > SECOND)
		l->seen = now;
}

static __always_inline int native_port(struct xdp_md *x)
{
	void *data = (void *)(long)x->data, *end = (void *)(long)x->data_end, *at;
	__u32 slot = 0, vid = 0, pcp = 0, tag = 0;
	__u64 now = bpf_ktime_get_coarse_ns();
	struct settings *cfg = get_config();
	struct mac_key src = {}, dst = {};
	struct member *m, *to = NULL;
	struct local *known, *l;
	struct ethhdr *eth = data;
	struct packet in = {};
	struct size size = {};
	struct outside around;
	struct remote *r;
	struct outlet o;
	struct macs macs;
	__be16 proto;
	int strip;

	if (!cfg || cfg->flags & CONFIG_GBP || (void *)(eth + 1) > end || !is_native(x, now))
		return XDP_PASS;
	if (is_group(eth->h_dest) || is_nobody(eth->h_source))
		return XDP_PASS;
	proto = eth->h_proto;
	at = eth + 1;
	if (is_tag(proto)) {
		__be16 *tci = at;

		if ((void *)(tci + 2) > end)
			return XDP_PASS;
		tag = bpf_ntohs(proto);
		vid = bpf_ntohs(tci[0]) & 0xfff;
		pcp = bpf_ntohs(tci[0]) >> 13;
		proto = tci[1];
		at = tci + 2;
	}
	if (proto != bpf_htons(ETH_P_IP) && proto != bpf_htons(ETH_P_IPV6))
		return XDP_PASS;
	if (!look_at(at, end, proto, &in))
		return XDP_PASS;
	m = find_binding(x->ingress_ifindex, tag, vid, &slot, &strip);
	if (!m || (tag && !strip) || m->features & FEATURE_ACL)
		return XDP_PASS;
	// What a stage may want: messages of Neighbor Discovery.
	if (in.icmp6 && m->features & FEATURES_WITH_STAGES)
		return XDP_PASS;
	size.packets = 1;
	size.bytes = size.largest = end - data - (strip ? 4 : 0);
	size.features = m->features;
	size.leaves = native_priorities(cfg, in.tos, strip ? pcp << 5 : 0);

	src.bd = dst.bd = m->bd;
	__builtin_memcpy(src.mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	known = bpf_map_lookup_elem(&locals, &src);
	if (!known || known->slot != slot || known->gen != m->gen)
		return XDP_PASS; // to be learned
	if (cfg->flags & CONFIG_WATCHED && bpf_map_lookup_elem(&watched, &src))
		return XDP_PASS; // to be told of
	if (!is_finished(x, at - data, proto))
		return XDP_PASS;

	__builtin_memcpy(&macs, data, sizeof(macs));
	r = bpf_map_lookup_elem(&remotes, &dst);
	if (r) {
		if (r->peer == ROUTER_PEER || !surround(&around, cfg, r, &size, &in))
			return XDP_PASS;
		if (bpf_xdp_adjust_head(x, (strip ? 4 : 0) - (int)sizeof(around)))
			return XDP_PASS;
		data = (void *)(long)x->data;
		if (data + sizeof(around) + sizeof(macs) > (void *)(long)x->data_end)
			return XDP_PASS; // never: it was longer than that before
		__builtin_memcpy(data, &around, sizeof(around));
		__builtin_memcpy(data + sizeof(around), &macs, sizeof(macs));
		count_in(slot, &size, known, now);
		use_path(r->peer);
		count_to_peer(r->peer, &size);
		count_native(NATIVE_ENCAPSULATED);
		return XDP_REDIRECT;
	}
	l = find_local(&dst, &to);
	if (!l || l->slot == slot || !has_outlet(to, &size))
		return XDP_PASS;
	o = outlet_of(to, l->slot, &size);
	if (!reframe(x, strip ? 4 : 0, &macs, o.tag))
		return XDP_PASS;
	count_in(slot, &size, known, now);
	count_native(NATIVE_BRIDGED);
	count_out(o.slot, &size);
	return XDP_REDIRECT;
}

// ---- the underlay ----------------------------------------------------------------------

// 1 if this is a plain VXLAN frame for us, that may be taken apart here.
static __always_inline int is_plain(struct outside *e, void *end, struct settings *cfg)
{
	__u32 length = bpf_ntohs(e->ip.tot_len);

	if (e->proto != bpf_htons(ETH_P_IP) || e->ip.version != 4 || e->ip.ihl != 5 || e->ip.protocol != IPPROTO_UDP ||
	    e->ip.frag_off & bpf_htons(0x3fff) || !is_end4(cfg, e->ip.daddr) ||
	    (void *)e + ETH_HLEN + length != end || header_checksum(&e->ip))
		return 0;
	if (e->udp.dest != bpf_htons(vxlan_port) || bpf_ntohs(e->udp.len) != length - sizeof(e->ip))
		return 0;
	// All other bits are reserved, to be ignored (RFC 7348, 5).
	return e->flags & bpf_htonl(VXLAN_HAS_VNI) && !(cfg->flags & CONFIG_GBP && e->flags & bpf_htonl(GBP_G));
}

static __always_inline int native_underlay(struct xdp_md *x)
{
	void *data = (void *)(long)x->data, *end = (void *)(long)x->data_end;
	__u64 now = bpf_ktime_get_coarse_ns();
	struct settings *cfg = get_config();
	__u32 peer, vni, length, outer;
	struct outside *e = data;
	struct mac_key dst = {};
	struct member *m = NULL;
	struct packet in = {};
	struct size size = {};
	struct adjacency *a;
	struct address from;
	struct ethhdr *eth;
	struct decap *to;
	struct outlet o;
	struct local *l;
	struct macs macs;
	__u8 ecn;

	if (!cfg || !cfg->vxlan_ifindex || !(cfg->flags & CONFIG_DIRECT_DECAP))
		return XDP_PASS;
	eth = (void *)(e + 1);
	if ((void *)(eth + 1) > end || !is_plain(e, end, cfg) || !is_native(x, now))
		return XDP_PASS;
	if (is_group(eth->h_dest) || is_nobody(eth->h_source))
		return XDP_PASS;
	if (eth->h_proto != bpf_htons(ETH_P_IP) && eth->h_proto != bpf_htons(ETH_P_IPV6))
		return XDP_PASS;
	if (!look_at(eth + 1, end, eth->h_proto, &in))
		return XDP_PASS;
	// What the underlay says of congestion may have to be told to the inner packet (RFC 6040, 4.2).
	ecn = e->ip.tos & ECN_MASK;
	if (ecn == ECN_CE || (ecn == ECN_ECT_1 && (in.tos & ECN_MASK) == ECN_ECT_0))
		return XDP_PASS;
	from = address4(e->ip.saddr);
	peer = peer_at(&from);
	a = bpf_map_lookup_elem(&adjacencies, &peer);
	if (!peer || !a || !(a->flags & ADJACENCY_IN) || a->ifindex != x->ingress_ifindex || !same_mac(a->src, e->dst))
		return XDP_PASS; // to somebody else, perhaps
	vni = bpf_ntohl(e->vni) >> 8;
	to = admitted(cfg, peer, vni);
	if (!to || to->features & FEATURES_LONG_WAY)
		return XDP_PASS;
	dst.bd = to->bd;
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	if (bpf_map_lookup_elem(&remotes, &dst))
		return XDP_PASS;
	l = find_local(&dst, &m);
	if (!l)
		return XDP_PASS;
	outer = e->ip.tos;
	length = end - (void *)eth;
	size.packets = 1;
	size.bytes = size.largest = length;
	size.features = to->features;
	size.leaves = native_priorities(cfg, in.tos, outer);
	if (!is_finished(x, sizeof(*e) + sizeof(*eth), eth->h_proto) || !has_outlet(m, &size))
		return XDP_PASS;
	o = outlet_of(m, l->slot, &size);
	__builtin_memcpy(&macs, eth, sizeof(macs));
	if (!reframe(x, sizeof(*e), &macs, o.tag))
		return XDP_PASS;
	note_data(cfg, peer);
	count_from_peer(peer, &size);
	count_native(NATIVE_DECAPSULATED);
	count_out(o.slot, &size);
	return XDP_REDIRECT;
}

static __always_inline int counted(int action)
{
	if (action == XDP_PASS)
		count_native(NATIVE_PASSED);
	return action;
}
