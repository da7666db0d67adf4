// SPDX-License-Identifier: Apache-2.0
// What is in the control block of a frame.
#pragma once

// Where the frame came in, in its control block, which is the program's own at this hook: how,
// and the VLAN or VNI, in the first word; in the next one the ifindex of the port, or in the next
// four the address of the peer.
enum came_by {
	BY_NOTHING = 0, // not known yet
	BY_PORT = 1 << 24,
	BY_TUNNEL = 2 << 24,
};

// In a frame of the agent: where it goes. Otherwise than as said here cb[3] is the number of an ACL of a
// router that the packet leaves; 0: of none.
enum send_to {
	SEND_MEMBER, // out of the binding cb[1], if it is in the switch cb[2], with its tag
	SEND_TUNNEL, // to the peer cb[1] with the VNI cb[2]
	SEND_FLOOD,  // in the switch cb[1], but to the binding cb[2]
	SEND_NOBODY, // nowhere: it is counted as dropped for the reason cb[1], where cb[2] and cb[3] say (frame.h)
};
