// Package layout knows what is to be in the maps of the programs: it makes an intent into their
// contents, and gives out the numbers in them. The types of keys and values are those of the headers in
// C (bpf/maps). It touches no kernel: what it has to know of the machine it is told.
//
//	intent.State, Delta --Stage--> Contents: a Table for each map, what is wanted and what has changed
//	what was read of the maps --Adopt--> numbers that stay; --State--> the intent that they stand for
package layout
