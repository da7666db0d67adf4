// SPDX-License-Identifier: Apache-2.0
// What stands for helpers while the programs of vtep.c only rehearse. The agent loads them once more, with
// calls of these functions in the places of calls of the helpers, and maps of their own for all that they write
// (rehearsal.go). Nothing of this is in the programs that forward.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "rehearsal.h"

#define ETH_P_8021Q_BE 0x0081
#define ETH_P_8021AD_BE 0xa888
#define ETH_TYPE_AT 12

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rehearsal);
} rehearsal SEC(".maps");

// Of functions that are called from elsewhere, too: the compiler must not take anything to be known of how.
#define STAND_IN static __noinline __attribute__((used)) long

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} copies SEC(".maps");

// How many did not fit.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} copies_lost SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} entrance SEC(".maps");

static __always_inline struct rehearsal *get_rehearsal(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rehearsal, &zero);
}

static __always_inline struct rehearsed_copy *new_copy(__u32 kind, __u32 ifindex)
{
	struct rehearsed_copy *c = bpf_ringbuf_reserve(&copies, sizeof(*c), 0);
	struct rehearsal *r = get_rehearsal();
	__u32 zero = 0;
	__u64 *lost;

	if (!c) {
		lost = bpf_map_lookup_elem(&copies_lost, &zero);
		if (lost)
			__sync_fetch_and_add(lost, 1);
		return NULL;
	}
	c->kind = kind;
	c->ifindex = ifindex;
	c->length = c->tagged = c->proto = c->tci = c->out6 = 0;
	if (r) {
		c->tagged = r->tagged;
		c->proto = r->proto;
		c->tci = r->tci;
		c->out6 = r->out6;
		c->out = r->out;
	}
	return c;
}

STAND_IN rehearse_clone_redirect(struct __sk_buff *skb, __u32 ifindex, __u64 flags)
{
	struct rehearsed_copy *c = new_copy(COPY_CLONE, ifindex);
	__u32 n;

	if (!c)
		return 0;
	c->length = skb->len;
	n = skb->len;
	if (n > COPY_BYTES)
		n = COPY_BYTES;
	asm volatile("" : "+r"(n)); // or what comes now would go
	// 1 to COPY_BYTES: that it is not 0 the verifier of Linux 6.1 does not learn from a comparison.
	n = ((n - 1) & (COPY_BYTES - 1)) + 1;
	bpf_skb_load_bytes(skb, 0, c->bytes, n);
	bpf_ringbuf_submit(c, 0);
	return 0;
}

STAND_IN rehearse_redirect(__u32 ifindex, __u64 flags)
{
	struct rehearsed_copy *c = new_copy(COPY_REDIRECT, ifindex);

	if (c)
		bpf_ringbuf_submit(c, 0);
	return TC_ACT_REDIRECT;
}

STAND_IN rehearse_redirect_neigh(__u32 ifindex, struct bpf_redir_neigh *to, int size, __u64 flags)
{
	struct rehearsed_copy *c = new_copy(COPY_NEIGHBOR, ifindex);

	if (c)
		bpf_ringbuf_submit(c, 0);
	return TC_ACT_REDIRECT;
}

static __always_inline void note_tag(struct __sk_buff *skb)
{
	struct rehearsal *r = get_rehearsal();

	if (!r)
		return;
	r->tagged = skb->vlan_present;
	r->proto = skb->vlan_proto;
	r->tci = skb->vlan_tci;
}

STAND_IN rehearse_vlan_push(struct __sk_buff *skb, __be16 proto, __u16 tci)
{
	long err = bpf_skb_vlan_push(skb, proto, tci);

	note_tag(skb);
	return err;
}

STAND_IN rehearse_vlan_pop(struct __sk_buff *skb)
{
	long err = bpf_skb_vlan_pop(skb);

	note_tag(skb);
	return err;
}

STAND_IN rehearse_set_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)
{
	struct rehearsal *r = get_rehearsal();

	if (!r)
		return -1;
	r->out = *key;
	r->out6 = flags & BPF_F_TUNINFO_IPV6 ? 1 : 0;
	return bpf_skb_set_tunnel_key(skb, key, sizeof(*key), flags);
}

STAND_IN rehearse_get_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, __u32 size, __u64 flags)
{
	struct rehearsal *r = get_rehearsal();

	if (!r || (flags & BPF_F_TUNINFO_IPV6 ? 1 : 0) != r->in6)
		return -1;
	*key = r->in;
	return 0;
}

// Where a rehearsal begins. The kernel has taken the outermost tag out of the bytes of a frame before a program
// sees it; here it is in them.
SEC("tc")
int vtep_rehearse(struct __sk_buff *skb)
{
	__be16 proto = 0, tci = 0;

	if (!bpf_skb_load_bytes(skb, ETH_TYPE_AT, &proto, sizeof(proto)) &&
	    (proto == ETH_P_8021Q_BE || proto == ETH_P_8021AD_BE) &&
	    !bpf_skb_load_bytes(skb, ETH_TYPE_AT + 2, &tci, sizeof(tci))) {
		if (bpf_skb_vlan_pop(skb))
			return TC_ACT_SHOT;
		if (bpf_skb_vlan_push(skb, proto, tci << 8 | tci >> 8))
			return TC_ACT_SHOT;
	}
	note_tag(skb);
	bpf_tail_call(skb, &entrance, 0);
	return TC_ACT_SHOT;
}

// So that the functions are here: never run.
SEC("tc")
int vtep_stand_ins(struct __sk_buff *skb)
{
	struct bpf_redir_neigh to = {};
	struct bpf_tunnel_key key = {};

	rehearse_get_tunnel_key(skb, &key, sizeof(key), 0);
	rehearse_set_tunnel_key(skb, &key, sizeof(key), 0);
	rehearse_vlan_push(skb, skb->protocol, skb->mark);
	rehearse_vlan_pop(skb);
	rehearse_clone_redirect(skb, skb->ifindex, 0);
	rehearse_redirect(skb->ifindex, 0);
	return rehearse_redirect_neigh(skb->ifindex, &to, sizeof(to), 0);
}

char _license[] SEC("license") = "Apache-2.0";
