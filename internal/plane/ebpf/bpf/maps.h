// SPDX-License-Identifier: Apache-2.0
// The tables that the programs and the agent share. Everything here is pinned and outlives
// both: a change of any layout or meaning needs a new schemaVersion (objects.go).
//
// Who writes what:
//   agent     config, origin, bindings, members, remotes, decaps, floods, chunks, peers, addresses, ends, switches, devices, bfd_sessions,
//             policies, acls, acl_blocks, neighbors, routers, gateways, routes4, routes6, interfaces
//   programs  locals (learning), counters, drops, port_drops, tunnel_drops, events, bfd_heard, bfd_events, punts, punted, snooped,
//             answered, acl_counts
//   both      watched (the agent adds, the programs delete), quotas (atomic adds through a memory map on the agent's side)
//   neither outlives the programs  passage (between the stages of a frame), acl_work, stages (which stages there are)
//
// Sizes are those to begin with: the agent replaces maps by larger ones as they fill (grow.go).
//
// Numbers that stand for things:
//   bd    broadcast domain: a logical switch. From 1, never used twice.
//   slot  a binding, i.e. a (port, VLAN) pair. From 1; index of members and counters.
//   port  a port, as index of quotas. From 1; index 0 holds the totals.
//   peer  another VTEP, as index of peers: what names one has its number, and its addresses are
//         in peers and addresses only. From 1.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6

// An IP address as IPv6 has it; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
struct address {
	__be32 word[4];
};

// ---- configuration ---------------------------------------------------------------------

enum config_flags {
	CONFIG_ANY_SOURCE = 1 << 0,    // decaps entries with ip 0 count too
	CONFIG_DIRECT_ENCAP = 1 << 1,  // encapsulate in the program where possible
	CONFIG_DIRECT_DECAP = 1 << 2,  // decapsulate in the program where possible
	CONFIG_WATCHED = 1 << 3,       // there may be something in watched
	CONFIG_STRICT = 1 << 4,        // the vxlan device refuses frames with reserved bits set
	CONFIG_NOTE_DATA = 1 << 5,     // some session of BFD wants to know whether data comes
	CONFIG_GBP = 1 << 6,           // the mark of frames has a group policy, from bit (flags >> 8 & 31) on (gbp.h)
	CONFIG_FRAGMENT = 1 << 7,      // what is too large for the way to a peer may be fragmented outside
	CONFIG_INTERFACES = 1 << 13,   // there may be something in interfaces
	// From bit 16 on: priorities (priority.h).
};

struct settings {
	__u32 tunnel_ip;     // source of IPv4 tunnels, host byte order; 0: none
	__u32 vxlan_ifindex; // the external vxlan device; 0: none
	__u32 flags;         // enum config_flags
	__u32 next_bd;       // agent only: first bd never used
	__u64 netns;         // agent only: inode of the network namespace
	__u64 alive;         // when the agent was last known to be at work, CLOCK_MONOTONIC
	__u32 home;          // id by which only the network namespace of the VTEP knows itself; 0: none
	__u32 zero;          // always 0, of which the verifier knows nothing
	struct address tunnel_ip6; // source of IPv6 tunnels; zero: none
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} config SEC(".maps");

// Whose forwarding the maps have: only for the agent, which must not take an empty, another or
// an older database for the one that they were made from.
struct origin {
	__u8 physical[16]; // UUID of the Physical_Switch row; zero: not known
	__u64 position;    // how far the database was written; 0: not known
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct origin);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} origin SEC(".maps");

// ---- logical switches and devices: only for the agent, to know its numbers again --------

struct switch_id {
	__u8 uuid[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct switch_id);
	__type(value, __u32); // bd
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} switches SEC(".maps");

enum device_flags {
	DEVICE_PROMISC = 1 << 0, // the agent made it promiscuous
	// From bit 8 on: what the agent has changed of its settings (seal.go).
};

struct device {
	__u32 port;
	__u32 flags; // enum device_flags
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // ifindex
	__type(value, struct device);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} devices SEC(".maps");

// ---- bindings --------------------------------------------------------------------------

struct bind_key {
	__u32 ifindex;
	__u32 vid; // 0: untagged and priority-tagged frames
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bind_key);
	__type(value, __u32); // slot
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} bindings SEC(".maps");

// A binding as an array element, because looking it up at egress must cost nothing. The bd
// says whether it is in force: whoever sends to a member must find its own bd here, so that
// entries which still name the slot after the binding went elsewhere do no harm.
struct member {
	__u32 ifindex;
	__u32 vid;
	__u32 bd;    // 0: the slot is free
	__u32 gen;   // changes with every new meaning of the slot; locals entries must match
	__u32 port;  // for quotas
	__u32 mtu;   // of the device
	__u32 flags; // enum member_flags
	__u32 features; // enum features, of its logical switch
};

// What a logical switch has beside forwarding. A frame from a port learns it from its member, one
// from a tunnel from its decap: it costs no look-up of its own. Which stage a feature needs is said
// in stage.h; where they come from, in features.go.
enum features {
	FEATURE_INNER_TAGS = 1 << 0, // frames may have a tag in tunnels
	FEATURE_SNOOP = 1 << 1,      // the agent is told of the IP addresses that hosts say they have
	FEATURE_GROUPS = 1 << 2,     // frames to groups go to their members (group.h)
	FEATURE_ROUTE = 1 << 3,      // it has a router
	FEATURE_SUPPRESS = 1 << 4,   // questions for neighbors are answered here
	FEATURE_ACL = 1 << 12,       // of a member alone: there is an ACL for the slot in policies
	FEATURE_FLOOD_NEIGHBORS = 1 << 14, // only messages of ARP and Neighbor Discovery are flooded
	FEATURE_FLOOD_NONE = 1 << 15,      // nothing is
	// Bit 13 is of frames: FRAME_REPORT (group.h).
	// From bit 16 on: the addresses 01:80:c2:00:00:00 to 0f that are forwarded, a bit for each.
};

enum member_flags {
	// Frames that have a tag may not leave here: vid is 0, and the port has VLANs, in one of
	// which the tag would put them on the wire.
	MEMBER_NO_TAGS = 1 << 0,
	// The tags of the port's bindings are service tags (802.1ad, 0x88a8).
	MEMBER_SERVICE_TAG = 1 << 1,
	// From bit 16 on: the group policy of frames that come in here and have none.
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // slot
	__type(value, struct member);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} members SEC(".maps");

struct traffic {
	__u64 in_packets, in_bytes;   // received from the attached hosts
	__u64 out_packets, out_bytes; // sent to them
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // slot
	__type(value, struct traffic);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

// ---- MAC addresses ---------------------------------------------------------------------

struct mac_key {
	__u32 bd;
	__u8 mac[ETH_ALEN];
	__u16 kind; // 0; floods: enum flood_kind; snooped: enum family
};

struct remote {
	__u32 peer;
	__u32 vni;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, struct remote);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} remotes SEC(".maps");

struct local {
	__u32 slot;
	__u32 gen;
	__u32 port; // whose quota counts it; changes by atomic operations only
	__u32 zero;
	__u64 seen; // CLOCK_MONOTONIC, to within a second
};

// As port: somebody is about to delete the entry, and to give its places back.
#define LEAVING 0xffffffff

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, struct local);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} locals SEC(".maps");

// Learned MACs of whose next frame the agent wants to be told.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} watched SEC(".maps");

// The IP addresses that the agent was told of last, of each family one. Those that were not heard
// of for the longest time give way to others: the agent is then told once more.
struct snooped_address {
	struct address ip;
	__u64 at;  // when, CLOCK_MONOTONIC
	__u64 due; // when all that was told has had its time, CLOCK_MONOTONIC
};

enum family {
	FAMILY_IPV4 = 4,
	FAMILY_IPV6 = 6,
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct mac_key); // kind: enum family
	__type(value, struct snooped_address);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} snooped SEC(".maps");

// Which station has an IP address, as rows say. Routers hand packets to it, and those that ask for it
// are answered where the MAC is known to be elsewhere.
struct ip_key {
	__u32 bd;
	struct address ip;
};

enum neighbor_kind {
	NEIGHBOR_HOST = 0,
	NEIGHBOR_ROUTER = 1, // the address is that of the switch's router; it has no MAC here
};

struct neighbor {
	__u8 mac[ETH_ALEN];
	__u16 kind; // enum neighbor_kind
	__u64 used; // when a router last handed a packet to it, CLOCK_MONOTONIC, to within a second; by the programs
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 12);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ip_key);
	__type(value, struct neighbor);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} neighbors SEC(".maps");

enum answer {
	ANSWER_ARP,
	ANSWER_ND,
	ANSWERS,
};

// How many questions were answered.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ANSWERS);
	__type(key, __u32); // enum answer
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} answered SEC(".maps");

// How many MACs a port (index 0: all ports) has learned and may learn.
struct quota {
	__u32 limit;   // 0: none
	__u32 count;
	__u32 refused; // sightings not learned because of the limit
	__u32 lost;    // index 0 only: events that did not fit into the ring
	__u64 told;    // index 0 only: when the agent last heard of a refused MAC
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); // port
	__type(value, struct quota);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} quotas SEC(".maps");

// A MAC is new on, or moved to, a binding. Or, if bd is 0: the peer `slot` is in use again.
struct sighting {
	__u32 bd;
	__u8 mac[ETH_ALEN];
	__u16 zero;
	__u32 slot;
	__u32 gen;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} events SEC(".maps");

// ---- tunnels ---------------------------------------------------------------------------

// The peer of an address; of addresses that are nobody's there is none.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); // as peers
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u32); // peer
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} addresses SEC(".maps");

// Where tunnels may end, beside the tunnel IPs of the settings, at which they begin.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u64); // until when, CLOCK_MONOTONIC; 0: for good
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ends SEC(".maps");

struct tunnel_key {
	__u32 peer; // 0: any source
	__u32 vni;
};

// The logical switch that the frames of a tunnel enter.
struct decap {
	__u32 bd;
	__u32 features; // enum features, of it
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tunnel_key);
	__type(value, struct decap);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} decaps SEC(".maps");

// What the agent knows of the way to a peer.
struct peer {
	struct address ip;  // zero: the element is free
	struct address hop; // next hop of the route, where ifindex is not 0
	__u32 ifindex;      // of the route; 0: only the kernel's own lookup can tell the way
	__u32 mtu;          // of the route; 0: not known
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct peer);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} peers SEC(".maps");

// Whether frames go to a peer, for the agent to look its way up again now and then: of what
// routers say of a path's MTU, and of when the kernel forgets it, nothing else tells.
enum path_state {
	PATH_IDLE,    // none did; the next one is an event
	PATH_WATCHED, // none since the agent looked; it will look again by itself
	PATH_USED,    // some did since
};

struct path {
	__u32 state; // enum path_state
	__u32 zero;
};

// Not pinned: it is of no use to anybody but the process that maps it.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384); // as peers
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); // peer
	__type(value, struct path);
} paths SEC(".maps");

// When a sender was last told that its packets are too big. Those that were not told for
// the longest time give way to others.
struct sender {
	__u32 slot;
	__be32 ip[4]; // IPv4: the first
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct sender);
	__type(value, __u64); // CLOCK_MONOTONIC, ns
} told SEC(".maps");

// ---- flooding --------------------------------------------------------------------------

enum flood_kind {
	FLOOD_TUNNELS = 0, // by (bd, group MAC or zero): tunnels that get a copy
	FLOOD_MEMBERS = 1, // by (bd, zero): slots that get a copy
};

// A list is immutable once a floods entry names it: a changed list gets a new number, so
// that a frame on its way sees the old one or the new one whole.
struct flood_set {
	__u32 list;
	__u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 13);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, struct flood_set);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} floods SEC(".maps");

struct chunk_key {
	__u32 list;
	__u32 seq;
};

// One destination of a copy: a tunnel, or a member. Both zero: none.
struct target {
	__u32 peer; // 0: a member
	__u32 id;   // VNI of the tunnel, or slot of the member
};

#define CHUNK_TARGETS 16

struct chunk {
	struct target targets[CHUNK_TARGETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 13);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct chunk_key);
	__type(value, struct chunk);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} chunks SEC(".maps");

// ---- BFD -------------------------------------------------------------------------------

enum bfd_flags {
	BFD_IS_UP = 1 << 0, // the session is Up
	BFD_VNI_0 = 1 << 1, // packets with other VNIs don't count
	// From bit 8 on: for the agent.
};

// A session with a peer. The programs need the first part; all of it is for the next process to
// go on where this one stops. Times are in microseconds, IPs, which are IPv4 whatever is around
// them, in host byte order.
struct bfd_session {
	__u32 my; // our discriminator
	__u32 flags;
	__u32 local_ip; // where the peer sends to, inside the tunnel
	__u8 local_mac[ETH_ALEN];
	__u8 state, diag;

	__u32 remote_ip; // where we send to
	__u8 remote_mac[ETH_ALEN];
	__u8 peer_mult, peer_demand;
	__u32 min_rx, min_tx, decay_min_rx; // as configured, in milliseconds
	__u32 peer;                         // the peer's discriminator
	__u8 peer_state, peer_diag;
	__u16 zero;
	__u32 peer_min_tx, peer_min_rx;
	__u32 tx, rx; // the intervals that count
	__u32 vni;    // what we send in
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // peer
	__type(value, struct bfd_session);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} bfd_sessions SEC(".maps");

// What came from the peer of a session. The agent makes and deletes the elements.
struct bfd_traffic {
	__u64 at;      // when the last valid packet came, CLOCK_MONOTONIC
	__u64 packets; // number of valid ones
	__u64 data_at; // when the last data frame came; only with CONFIG_NOTE_DATA
	__u64 data;    // number of data frames
	__u64 due_known, due_unknown; // when packets that are news may come again, with and without our discriminator
	__u32 vni;     // of the last valid packet
	__u8 packet[24];
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // peer
	__type(value, struct bfd_traffic);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} bfd_heard SEC(".maps");

// A valid control packet that says something new.
struct bfd_event {
	__u64 at; // when it came, CLOCK_MONOTONIC
	__u32 peer;
	__u32 vni;
	__u8 packet[24];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} bfd_events SEC(".maps");

// ---- stages ----------------------------------------------------------------------------

// The size of a frame, without the tag of a binding and without FCS. With segmentation
// offload one skb stands for several frames.
struct size {
	__u32 packets;
	__u32 bytes;    // of all of them
	__u32 largest;  // bytes of the largest one
	__u32 tagged;   // 1: it has a tag after the one that the binding took
	__u32 features; // enum features, of the switch that it is in
	__u32 leaves;   // with these priorities (priority.h)
};

// What the sender of a packet is told, and by whom.
struct message {
	__u8 type, code;   // of ICMP
	__u8 type6, code6; // of ICMPv6
	__u8 mac[ETH_ALEN];
	__u16 router; // 1: by the router that has these addresses; 0: by the receiver
	__u32 mtu;
	struct address ip, ip6;
};

// What is known of the frame under way. One program leaves it to the next one, in which the
// frame's stack is another.
struct passage {
	__u32 todo; // the stages to come, a bit for each
	__u32 bd;
	__u32 slot; // where it came in; 0: by a tunnel, of which the control block tells (frame.h)
	__u32 gen;  // of the slot
	struct size size;
	struct mac_key next; // the station that the router hands it to
	struct address hop;  // its address
	__u32 router;        // 0: that of gateways
	__u8 mac[ETH_ALEN];  // of the router
	__u16 zero;
	__u64 jiffies, now; // when that was (coarse_now)
	struct message message;
	__u8 body[192]; // room for what is looked at, or made of it
};

// A frame has it to itself: no program runs on the CPU before the last stage is done.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct passage);
} passage SEC(".maps");

// The programs that go on with a frame, in their order. Names in Go: stages.go.
enum stage {
	STAGE_NEIGHBOR, // of ARP and Neighbor Discovery
	STAGE_OVERHEAR, // of IGMP, MLD and PIM
	STAGE_ROUTE,    // of frames to the router: forward sends them there
	STAGE_FORWARD,  // the last
	STAGES,
};

// Those that belong to the programs that are loaded together. They would go with the last process
// that has the map open, so that it is pinned (stages.go).
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, STAGES);
	__type(key, __u32);
	__type(value, __u32);
} stages SEC(".maps");

// ---- access control lists --------------------------------------------------------------

// The number of the ACL of a binding.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // slot
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} policies SEC(".maps");

// The program of an ACL is immutable once it is named here: a changed ACL has another, so that a
// frame is asked by the old one or the new one whole.
struct acl {
	__u32 root; // its first block; 0: there is none
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); // number of an ACL, from 1
	__type(value, struct acl);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acls SEC(".maps");

// A part of a program: package acl says what is in it. Those of a program are together, in their
// order; block 0 is nobody's.
struct acl_block {
	union {
		__u32 refs[16];
		__u64 words[8];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct acl_block);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acl_blocks SEC(".maps");

// Where the header of a program says of a direction: the first block of its dimensions, their
// number, the first block of its entries, their number.
enum acl_head {
	ACL_HEAD_INGRESS = 4,
	ACL_HEAD_EGRESS = 8,

	ACL_HEAD_DIMENSIONS = 0,
	ACL_HEAD_N_DIMENSIONS = 1, // from bit 16 on: of those for frames that miss something
	ACL_HEAD_ENTRIES = 2,
	ACL_HEAD_N_ENTRIES = 3,
};

enum acl_entry_flags {
	ACL_ENTRY_DENY = 1 << 0,
	ACL_ENTRY_ASKS = 8, // from this bit on: what must not be missing
};

// Frames that an entry has decided.
struct acl_count {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // its programs name it; 0 is nobody's
	__type(value, struct acl_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acl_counts SEC(".maps");

#define ACL_DIMENSIONS 64

// What is known of the frame under way, for the decision about it.
struct acl_work {
	__u8 key[64]; // facts.go
	__u8 part[24]; // of the frame
	__u32 off, next;
	__u64 left, word;
	__u32 missing, root, first, dimensions, dimension, vectors, ref, entry, found, entries;
	__u32 vector[ACL_DIMENSIONS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct acl_work);
} acl_work SEC(".maps");

// ---- what the agent gets to see ----------------------------------------------------------

// Why a frame is shown to the agent. The agent's names are in punt.go, in this order.
enum punt_reason {
	PUNT_ADDRESS,     // no frame: a MAC says that it has the IP address `ip`
	PUNT_MEMBERSHIP,  // of IGMP, MLD or PIM
	PUNT_NO_NEIGHBOR, // a router knows nobody who has the address `ip` in the bd `vni`, its next hop
	PUNT_ANSWER,      // an answer by ARP or Neighbor Discovery to the router
	PUNT_REASONS = 8, // room for them
};

#define PUNT_SMALL 256 // bytes of a frame that are kept at most, if it is no larger
#define PUNT_LARGE 2048 // of a larger one

// Before the frame. What came by a tunnel has slot 0.
struct punt_head {
	__u32 reason;
	__u32 bd;
	__u32 slot, gen;
	__u32 vni; // or as the reason says
	__u32 length;      // of the frame; 0: there is none
	struct address ip; // of the peer, if it came by a tunnel; else as the reason says
	__u8 mac[ETH_ALEN];
	__u16 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 19);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} punts SEC(".maps");

// How many frames were shown, by reason, and refused because there were too many.
struct punt_count {
	__u64 due; // when all that were shown have had their time, CLOCK_MONOTONIC
	__u64 told, refused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PUNT_REASONS);
	__type(key, __u32); // enum punt_reason
	__type(value, struct punt_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} punted SEC(".maps");

// Since when there is something in punts that the agent has not read, if there is: CLOCK_MONOTONIC, to
// within a tick. Not pinned: programs that are loaded anew take it to be long ago.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unread SEC(".maps");

// How much a binding says of groups; and, with slot 0, whether what is said in a switch was lost.
struct group_key {
	__u32 bd;
	__u32 slot;
};

#define ANY_TUNNEL 0xffffffff // as slot: all tunnels of the switch

struct group_rate {
	__u64 due;  // when all that was shown has had its time; CLOCK_MONOTONIC, as lost
	__u64 lost; // when something was last lost; 0: never
};

// Not pinned: a new process begins without members. Who was not heard of for the longest time gives
// way to others.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct group_key);
	__type(value, struct group_rate);
} group_rates SEC(".maps");

// ---- routers ---------------------------------------------------------------------------

// As peer of a remote: the MAC is one that the router of the switch is reached by. In the place of the VNI
// is the router if that is its own one, which it sends by, too; else 0.
#define ROUTER_PEER 0xffffffff

// Only for the agent, to know its numbers again.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct switch_id); // UUID of the logical router
	__type(value, __u32);          // router
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routers SEC(".maps");

// The router of a logical switch.
struct gateway {
	__u32 router;
	__u8 mac[ETH_ALEN];
	__u16 zero;
	struct address ip, ip6; // from which it tells senders of trouble; zero: none of the family
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // bd
	__type(value, struct gateway);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} gateways SEC(".maps");

// Ways by prefix: the longest counts. The length is that of the prefix, and 32 for the router.
struct route_key4 {
	__u32 length;
	__u32 router;
	__be32 ip;
};

struct route_key6 {
	__u32 length;
	__u32 router;
	struct address ip;
};

enum way_kind {
	WAY_CONNECTED, // to the destination itself
	WAY_VIA,       // to the next hop `via`
	WAY_SELF,      // the address is the router's own
	WAY_EDGE,      // the address stands for all in a network
};

struct way {
	__u32 kind; // enum way_kind
	__u32 bd;
	struct address via;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 12);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route_key4);
	__type(value, struct way);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 12);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route_key6);
	__type(value, struct way);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routes6 SEC(".maps");

// The ACLs of the interfaces that routers have, by their prefixes in a switch: the longest counts. That of
// all addresses of a family is for those that are in none.
struct interface_key {
	__u32 length; // of the prefix as IPv6 has it, and 32 for the bd
	__u32 bd;
	struct address ip;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct interface_key);
	__type(value, __u32); // number of the ACL; 0: none
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} interfaces SEC(".maps");

// ---- drops -----------------------------------------------------------------------------

// Why a frame was dropped. The agent's names are in stats.go, in this order.
enum drop {
	DROP_MALFORMED,      // shorter than its headers
	DROP_UNBOUND,        // no binding for its port and VLAN
	DROP_RESERVED,       // to 01:80:c2:00:00:0x
	DROP_HAIRPIN,        // its destination is where it came from
	DROP_NO_DESTINATION, // nobody else is in the logical switch
	DROP_TOO_BIG,        // larger than the way out allows
	DROP_TAGGED_OVERLAY, // has a tag and would enter a tunnel
	DROP_TAGGED_INSIDE,  // came from a tunnel and has a tag
	DROP_SPLIT_HORIZON,  // came from a tunnel and would leave by a tunnel
	DROP_UNKNOWN_TUNNEL, // no logical switch for its source and VNI
	DROP_NOT_OURS,       // encapsulated, but not to the tunnel IP
	DROP_NO_TUNNEL,      // would leave by a tunnel, but there is no tunnel IP
	DROP_FAILED,         // a kernel helper failed (memory)
	DROP_DOUBLE_TAGGED,  // has a second tag and would leave untagged by a port that has VLANs
	DROP_BFD,            // of BFD between VTEPs, which is not for hosts, and of no session
	DROP_BAD_SOURCE,     // from a group address or from 00:00:00:00:00:00
	DROP_BFD_TTL,           // of BFD, and came over a router
	DROP_BFD_MALFORMED,     // of BFD, and not as it has to be
	DROP_BFD_AUTH,          // of BFD, with authentication
	DROP_BFD_DISCRIMINATOR, // of BFD, and of no session with its sender
	DROP_BFD_RATE,          // of BFD, and more than are taken
	DROP_FLOOD_LIMITED,     // has no known destination, and its switch does not flood it
	DROP_ACL_INGRESS,    // an entry of an ACL denies it where it came in, or to a router
	DROP_ACL_EGRESS,     // an entry of an ACL denies it where it would leave, or leave a router
	DROP_ACL_UNREADABLE, // it lacks or hides what an entry of an ACL asks for
	DROP_BAD_ARP,        // of ARP in a switch with a router, and not as RFC 826 has it for IPv4
	DROP_BAD_ND,         // of Neighbor Discovery for a router, and not valid
	DROP_BAD_IP,         // to a router, with a header that is not right
	DROP_SOURCE_ROUTE,   // to a router, with a source route
	DROP_UNROUTABLE,     // to a router that may not forward it, or can't
	DROP_NO_ROUTE,       // to a router that knows no way
	DROP_NO_NEIGHBOR,    // to a router that knows nobody with the address
	DROP_TTL_EXCEEDED,   // has passed too many routers
	DROP_UNSERVED,       // to a router itself, and nothing that it answers
	DROP_SPOOFED_ROUTER, // from a port, in the name of a router
	DROP_REASONS,
};

// Where a dropped frame had come in. A frame carries it in its control block (frame.h).
struct port_place {
	__u32 reason; // enum drop
	__u32 ifindex;
	__u32 vid;
};

struct tunnel_place {
	__u32 reason; // enum drop
	__u32 vni;
	struct address ip; // of the peer, or of somebody
};

// Instead of a VLAN.
enum no_vlan {
	VLAN_UNKNOWN = 4096, // the frame was dropped before its VLAN was known
	VLAN_OTHER = 4097,   // its tag is not one of 802.1Q
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASONS);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} drops SEC(".maps");

// The same by place, for the places that were there last: whoever sends frames with made-up
// VLANs, sources or VNIs pushes out only what is of the same sort.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct port_place);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} port_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct tunnel_place);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} tunnel_drops SEC(".maps");
