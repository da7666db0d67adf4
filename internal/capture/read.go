package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/trace"
)

// mostBlock bounds the blocks that are read.
const mostBlock = 1 << 20

// Copy copies what a Capture has written, block by block, so that there are whole ones only, and says what
// there was. With a remark, that is a comment of the section, too. lost is called when more has been lost.
func Copy(to io.Writer, from io.Reader, remark string, lost func(Total)) (Total, error) {
	return read(from, lost, func(kind uint32, block []byte) error {
		if remark != "" && kind == blockSection && len(block) >= sectionFixed+blockTail {
			block = remarked(block, remark)
		}
		if _, err := to.Write(block); err != nil {
			return fmt.Errorf("write the capture: %w", err)
		}
		return nil
	})
}

// Print prints a line for each frame of what a Capture has written: when, what happens to it, and what it is. lost is
// called as by Copy.
func Print(to io.Writer, from io.Reader, lost func(Total)) (Total, error) {
	return read(from, lost, func(kind uint32, block []byte) error {
		if kind != blockPacket {
			return nil
		}
		text, err := packetText(block)
		if err == nil {
			_, err = fmt.Fprintln(to, text)
		}
		return err
	})
}

// read reads blocks until the capture is over, and has each taken.
func read(from io.Reader, lost func(Total), take func(kind uint32, block []byte) error) (total Total, err error) {
	head := make([]byte, blockHead)
	over := false
	for {
		if _, err := io.ReadFull(from, head); errors.Is(err, io.EOF) && over {
			return total, nil
		} else if err != nil {
			return total, cut(err)
		}
		kind, length := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
		if length < blockHead+blockTail || length > mostBlock || length%4 != 0 {
			return total, fmt.Errorf("read the capture: a block has %d bytes", length)
		}
		block := append(make([]byte, 0, length), head...)[:length]
		if _, err := io.ReadFull(from, block[blockHead:]); err != nil {
			return total, cut(err)
		}
		if err := take(kind, block); err != nil {
			return total, err
		}
		switch kind {
		case blockPacket:
			total.Written++
		case blockStatistics:
			eachOption(block, statisticsFixed, func(code uint16, value []byte) {
				switch {
				case code == statisticsEnd:
					over = true
				case code == statisticsDropped && len(value) == 8:
					if dropped := binary.LittleEndian.Uint64(value); dropped > total.Lost {
						total.Lost = dropped
						lost(total)
					}
				}
			})
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

// remarked gives the block of a section one more comment, before all other options.
func remarked(block []byte, remark string) []byte {
	block = slices.Insert(block, sectionFixed, options(nil).text(optionComment, remark)...)
	length := uint32(len(block))
	binary.LittleEndian.PutUint32(block[4:], length)
	binary.LittleEndian.PutUint32(block[length-blockTail:], length)
	return block
}

// packetText is what is printed of the block of a packet.
func packetText(block []byte) (string, error) {
	if len(block) < packetFixed+blockTail {
		return "", errors.New("read the capture: the block of a packet has no place for it")
	}
	at := timeAt(block[blockHead+4:])
	n, whole := int(binary.LittleEndian.Uint32(block[blockHead+12:])), int(binary.LittleEndian.Uint32(block[blockHead+16:]))
	if n > len(block)-packetFixed-blockTail {
		return "", fmt.Errorf("read the capture: a packet of %d bytes is in a block of %d", n, len(block))
	}
	data := block[packetFixed : packetFixed+n]
	var comments []string
	eachOption(block, packetFixed+(n+3)/4*4, func(code uint16, value []byte) {
		if code == optionComment {
			comments = append(comments, string(value))
		}
	})
	text := fmt.Sprintf("%s  %s\n    %s", at.Format("15:04:05.000000"), strings.Join(comments, "; "), trace.Describe(data))
	if whole > n {
		text += fmt.Sprintf(" of %d", whole)
	}
	return text, nil
}
