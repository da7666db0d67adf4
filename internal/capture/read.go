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
	optionEnd       = 3 // of statistics
	optionDropped   = 5
	mostBlock       = 1 << 20
)

// Copy copies what Start's writer has written, block by block, so that there are whole ones only, and says what
// there was. lost is called when more has been lost.
func Copy(to io.Writer, from io.Reader, lost func(Total)) (total Total, err error) {
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
	over := false
	if r != nil && r.NInterfaces() > 0 {
		if i, err := r.Interface(0); err == nil && i.Statistics.PacketsDropped != pcapgo.NgNoValue64 {
			total.Lost, over = i.Statistics.PacketsDropped, !i.Statistics.EndTime.IsZero()
		}
	}
	if errors.Is(err, io.EOF) && over {
		return total, nil
	}
	return total, cut(err)
}
