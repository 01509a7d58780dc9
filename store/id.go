package store

import "encoding/hex"

// PackID is the 16 bytes of a UUID in lower case.
func PackID(id string) (raw [16]byte, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return raw, false
	}
	at := 0
	for i := range raw {
		if id[at] == '-' {
			at++
		}
		high, low := digit(id[at]), digit(id[at+1])
		if high|low > 15 {
			return raw, false
		}
		raw[i] = high<<4 | low
		at += 2
	}
	return raw, true
}

// digit is the value of a hexadecimal digit in lower case, 255 of what is none.
func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// UnpackID is the id of what PackID made.
func UnpackID[T string | []byte](raw T) string {
	if len(raw) != 16 {
		return ""
	}
	b := []byte(raw)
	var text [36]byte
	hex.Encode(text[:], b[:4])
	hex.Encode(text[9:], b[4:6])
	hex.Encode(text[14:], b[6:8])
	hex.Encode(text[19:], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
