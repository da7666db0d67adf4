// Package trace says what would become of a frame, and why: by which entries of forwarding, from which
// rows of the database.
//
// It goes by what is installed. The rules of forwarding are those of package memory, which reads
// each entry from the dataplane when the frame comes to it. What the database would have instead is
// said where it differs. A dataplane that can rehearse decides about the frame, too, and the two have to agree.
package trace
