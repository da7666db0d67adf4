// Package layout knows what is in the maps of the programs: the types of their keys and values,
// which are those of the headers in C (bpf/maps), and the numbers in them. It touches no kernel.
package layout
