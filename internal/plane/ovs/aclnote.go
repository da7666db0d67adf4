package ovs

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/plane"
)

// The rows of an ACL that is in force can't be read from its flows. So there are flows that no frame comes
// to, whose action is a note: by these the next process knows which version was good, and who has it.

// aclNote is what is noted of an ACL.
type aclNote struct {
	ID  string
	ACL intent.ACL
	At  []intent.BindingKey // who has it
	// Gone is what entries have counted by flows that are gone.
	Gone map[string]plane.Count `json:",omitempty"`
}

// noteLen is how much of a note one flow has: what a message may have, less what else is in it.
const noteLen = 60000

// noteACL adds the flows of a note. They are made anew only where they say something else: that takes some 50 microseconds
// for each entry, and notes are asked for at every change of anything.
func noteACL(s flowSet, l *accessList, at []intent.BindingKey, gone map[plane.ACLEntryAt]plane.Count) {
	slices.SortFunc(at, intent.BindingKey.Compare)
	n := aclNote{ID: l.id.String(), ACL: l.is, At: at, Gone: map[string]plane.Count{}}
	for _, entry := range l.cookie {
		if c, ok := gone[plane.ACLEntryAt{ACL: l.id, Entry: entry}]; ok {
			n.Gone[entry.String()] = c
		}
	}
	if l.noted == nil || !slices.Equal(l.notedAt, at) || !maps.Equal(l.notedGone, n.Gone) {
		text, err := json.Marshal(n)
		if err != nil {
			panic(err) // it is of plain values
		}
		l.noted, l.notedAt, l.notedGone = flowSet{}, at, n.Gone
		note(l.noted, l.number, text)
	}
	maps.Copy(s, l.noted)
}

// note adds the flows that keep a text under a number.
func note(s flowSet, number uint32, text []byte) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(text)
		err = errors.Join(err, w.Close())
	}
	if err != nil {
		panic(err) // a buffer takes all
	}
	part := uint32(0)
	for chunk := range slices.Chunk(b.Bytes(), noteLen) {
		chunk = append(binary.BigEndian.AppendUint16(nil, uint16(len(chunk))), chunk...)
		for len(chunk)%8 != 6 {
			chunk = append(chunk, 0) // as the switch gives it back
		}
		s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: tableNotes, Priority: prioNote,
			Match:        openflow.Match{openflow.Reg(regACL, number), openflow.Reg(regTo, part)},
			Instructions: openflow.Apply(openflow.NoteAction{Bytes: chunk})})
		part++
	}
}

// notes reads all texts back, each with its number. One of which a part is missing is left out.
func notes(flows map[flowKey]*flow) map[uint32][]byte {
	parts := map[uint32]map[uint32][]byte{}
	for k, f := range flows {
		actions := f.mod.Instructions.Actions()
		number, ok := f.mod.Match.Get(openflow.FieldReg(regACL))
		part, is := f.mod.Match.Get(openflow.FieldReg(regTo))
		if k.table != tableNotes || f.mod.Cookie != cookieFlow || !ok || !is || len(actions) != 1 {
			continue
		}
		if n, is := actions[0].(openflow.NoteAction); is && len(n.Bytes) >= 2 {
			length := int(binary.BigEndian.Uint16(n.Bytes))
			of := binary.BigEndian.Uint32(number)
			if parts[of] == nil {
				parts[of] = map[uint32][]byte{}
			}
			parts[of][binary.BigEndian.Uint32(part)] = n.Bytes[2:min(2+length, len(n.Bytes))]
		}
	}
	texts := map[uint32][]byte{}
	for number, of := range parts {
		var all []byte
		for part := range uint32(len(of)) {
			all = append(all, of[part]...)
		}
		text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(all)), maxNote))
		if err == nil {
			texts[number] = text
		}
	}
	return texts
}

// maxNote bounds the text of a note. One of an ACL with as many entries as there may be has about 4 megabytes.
const maxNote = 64 << 20

// readACLNotes reads what is noted of ACLs.
func readACLNotes(flows map[flowKey]*flow) (acls map[intent.ACLID]intent.ACL, at map[intent.BindingKey]intent.ACLID,
	gone map[plane.ACLEntryAt]plane.Count, err error) {
	acls, at, gone = map[intent.ACLID]intent.ACL{}, map[intent.BindingKey]intent.ACLID{}, map[plane.ACLEntryAt]plane.Count{}
	for number, text := range notes(flows) {
		if number == routersNumber || number == linksNumber {
			continue
		}
		var n aclNote
		if e := json.Unmarshal(text, &n); e != nil {
			err = errors.Join(err, fmt.Errorf("a note of an ACL: %w", e))
			continue
		}
		u, ok := ovsdb.ParseUUID(n.ID)
		if !ok {
			continue
		}
		acls[intent.ACLID(u)] = n.ACL
		for entry, c := range n.Gone {
			if e, ok := ovsdb.ParseUUID(entry); ok {
				gone[plane.ACLEntryAt{ACL: intent.ACLID(u), Entry: intent.ACLEntryID(e)}] = c
			}
		}
		for _, k := range n.At {
			at[k] = intent.ACLID(u)
		}
	}
	return acls, at, gone, err
}
