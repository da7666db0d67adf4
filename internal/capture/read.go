package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/vtep/vtep/internal/trace"
)

// Of pcapng.
const (
	blockStatistics = 5
	blockPacket     = 6
	optionDropped   = 5 // of statistics
	mostBlock       = 1 << 20
)

// Copy copies what Start's writer has written, block by block, so that there are whole ones only, and says what
// there was. lost is called when more has been lost.
func Copy(to io.Writer, from io.Reader, lost func(Total)) (total Total, err error) {
	head := make([]byte, 8)
	for {
		if _, err := io.ReadFull(from, head); errors.Is(err, io.EOF) {
			return total, nil
		} else if err != nil {
			return total, fmt.Errorf("read the capture: %w", err)
		}
		length := binary.LittleEndian.Uint32(head[4:])
		if length < 12 || length > mostBlock || length%4 != 0 {
			return total, fmt.Errorf("read the capture: a block has %d bytes", length)
		}
		block := append(make([]byte, 0, length), head...)[:length]
		if _, err := io.ReadFull(from, block[8:]); err != nil {
			return total, fmt.Errorf("read the capture: %w", err)
		}
		if _, err := to.Write(block); err != nil {
			return total, fmt.Errorf("write the capture: %w", err)
		}
		switch binary.LittleEndian.Uint32(head) {
		case blockPacket:
			total.Written++
		case blockStatistics:
			if n := droppedOf(block); n > total.Lost {
				total.Lost = n
				lost(total)
			}
		}
	}
}

// droppedOf reads how many frames were lost from a block of statistics.
func droppedOf(block []byte) uint64 {
	for b := block[20 : len(block)-4]; len(b) >= 4; {
		code, length := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if 4+length > len(b) {
			return 0
		}
		if code == optionDropped && length == 8 {
			return binary.LittleEndian.Uint64(b[4:])
		}
		b = b[min(len(b), 4+(length+3)/4*4):]
	}
	return 0
}

// Print prints a line for each frame: when, what happens to it, and what it is.
func Print(to io.Writer, from io.Reader) (Total, error) {
	var total Total
	r, err := pcapgo.NewNgReader(from, pcapgo.NgReaderOptions{})
	for err == nil {
		data, info, options, failed := r.ReadPacketDataWithOptions()
		if err = failed; err != nil {
			break
		}
		total.Written++
		text := fmt.Sprintf("%s  %s\n    %s", info.Timestamp.Format("15:04:05.000000"), strings.Join(options.Comments, "; "), trace.Describe(data))
		if info.Length > info.CaptureLength {
			text += fmt.Sprintf(" of %d", info.Length)
		}
		if _, err := fmt.Fprintln(to, text); err != nil {
			return total, err
		}
	}
	if r != nil && r.NInterfaces() > 0 {
		if i, err := r.Interface(0); err == nil && i.Statistics.PacketsDropped != pcapgo.NgNoValue64 {
			total.Lost = i.Statistics.PacketsDropped
		}
	}
	if errors.Is(err, io.EOF) {
		return total, nil
	}
	return total, fmt.Errorf("read the capture: %w", err)
}
