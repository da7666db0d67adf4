// SPDX-License-Identifier: Apache-2.0
// Sessions of BFD.
#pragma once

#include "address.h"

enum bfd_flags {
	BFD_IS_UP = 1 << 0, // the session is Up
	BFD_VNI_0 = 1 << 1, // packets with other VNIs don't count
	// For the agent alone, as bfd_session has the parameters of the session.
	BFD_FORWARDING_IF_RX = 1 << 8,
	BFD_PATH_DOWN = 1 << 9,
	BFD_ANSWER_VNI = 1 << 10,
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
