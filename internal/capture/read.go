package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/vtep/vtep/internal/trace"
)

// Of pcapng.
const (
	blockSection    = 0x0a0d0d0a
	blockStatistics = 5
	blockPacket     = 6
	sectionFixed    = 24 // bytes before its options
	optionComment   = 1
	optionEnd       = 3 // of statistics
	optionDropped   = 5
	mostBlock       = 1 << 20
)

// Copy copies what a Capture has written, block by block, so that there are whole ones only, and says what
// there was. With a remark, that is a comment of the section, too. lost is called when more has been lost.
func Copy(to io.Writer, from io.Reader, remark string, lost func(Total)) (total Total, err error) {
	head := make([]byte, 8)
	over := false
	for {
		if _, err := io.ReadFull(from, head); errors.Is(err, io.EOF) && over {
			return total, nil
		} else if err != nil {
			return total, cut(err)
		}
		length := binary.LittleEndian.Uint32(head[4:])
		if length < 12 || length > mostBlock || length%4 != 0 {
			return total, fmt.Errorf("read the capture: a block has %d bytes", length)
		}
		block := append(make([]byte, 0, length), head...)[:length]
		if _, err := io.ReadFull(from, block[8:]); err != nil {
			return total, cut(err)
		}
		if remark != "" && binary.LittleEndian.Uint32(head) == blockSection && length >= sectionFixed+4 {
			block = remarked(block, remark)
		}
		if _, err := to.Write(block); err != nil {
			return total, fmt.Errorf("write the capture: %w", err)
		}
		switch binary.LittleEndian.Uint32(head) {
		case blockPacket:
			total.Written++
		case blockStatistics:
			dropped, end := statisticsOf(block)
			over = over || end
			if dropped > total.Lost {
				total.Lost = dropped
				lost(total)
			}
		}
	}
}

// cut is the error of a reader that has come to an end where none is.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrCut
	}
	return fmt.Errorf("read the capture: %w", err)
}

// statisticsOf reads from a block of statistics how many frames were lost, and whether the capture is over.
func statisticsOf(block []byte) (dropped uint64, over bool) {
	const fixed = 20
	if len(block) < fixed+4 {
		return 0, false
	}
	for b := block[fixed : len(block)-4]; len(b) >= 4; {
		code, length := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if 4+length > len(b) {
			break
		}
		switch {
		case code == optionEnd:
			over = true
		case code == optionDropped && length == 8:
			dropped = binary.LittleEndian.Uint64(b[4:])
		}
		b = b[min(len(b), 4+(length+3)/4*4):]
	}
	return dropped, over
}

// remarked gives the block of a section one more comment, before all other options.
func remarked(block []byte, remark string) []byte {
	option := binary.LittleEndian.AppendUint16(nil, optionComment)
	option = binary.LittleEndian.AppendUint16(option, uint16(len(remark)))
	option = append(option, remark...)
	option = append(option, make([]byte, (4-len(option)%4)%4)...)
	block = slices.Insert(block, sectionFixed, option...)
	length := uint32(len(block))
	binary.LittleEndian.PutUint32(block[4:], length)
	binary.LittleEndian.PutUint32(block[length-4:], length)
	return block
}

// Print prints a line for each frame of what a Capture has written: when, what happens to it, and what it is. lost is
// called as by Copy.
func Print(to io.Writer, from io.Reader, lost func(Total)) (Total, error) {
	blocks, out := io.Pipe()
	printed := make(chan error, 1)
	go func() {
		err := printPackets(to, blocks)
		blocks.CloseWithError(err) // nil: the reader is at its end
		printed <- err
	}()
	total, err := Copy(out, from, "", lost)
	out.Close()
	if failed := <-printed; failed != nil {
		return total, failed
	}
	return total, err
}

// printPackets prints those of a whole file.
func printPackets(to io.Writer, from io.Reader) error {
	r, err := pcapgo.NewNgReader(from, pcapgo.NgReaderOptions{})
	for err == nil {
		data, info, options, failed := r.ReadPacketDataWithOptions()
		if err = failed; err != nil {
			break
		}
		text := fmt.Sprintf("%s  %s\n    %s", info.Timestamp.Format("15:04:05.000000"), strings.Join(options.Comments, "; "), trace.Describe(data))
		if info.Length > info.CaptureLength {
			text += fmt.Sprintf(" of %d", info.Length)
		}
		if _, err := fmt.Fprintln(to, text); err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil // Copy says whether that is the end
	}
	return fmt.Errorf("read the capture: %w", err)
}
