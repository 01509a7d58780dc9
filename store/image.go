package store

import (
	"context"
	"encoding/binary"

	"rollcall/scim"
)

// DefaultImageKeep is how many changes of a workspace keep their images.
const DefaultImageKeep = 200_000

// Images returns the states before and after changes (see scim.Store).
func (w *Workspace) Images(ctx context.Context, versions []scim.Version) ([]scim.Images, error) {
	if len(versions) > scim.MaxImages {
		return nil, scim.Errorf(scim.ErrInvalidValue, "images of %d changes; %d may be asked for at once", len(versions), scim.MaxImages)
	}
	raws, err := w.backend.ImagesAt(ctx, w.ws, versions)
	if err != nil {
		return nil, err
	}
	images := make([]scim.Images, len(versions))
	for i := range raws {
		images[i].Version = versions[i]
		if raws[i].Version == 0 {
			continue
		}
		images[i].Kept = true
		if images[i].Old, images[i].New, err = raws[i].resources(); err != nil {
			return nil, err
		}
	}
	return images, nil
}

// records splits the two records.
func (r *RawImages) records() (old, new *Raw) {
	if len(r.Old) > 0 {
		raw := ParseRecord(r.Ref, r.Old)
		old = &raw
	}
	if len(r.New) > 0 {
		raw := ParseRecord(r.Ref, r.New)
		if len(raw.Payload) == 0 && old != nil {
			raw.Payload = old.Payload
		}
		new = &raw
	}
	return old, new
}

func (r *RawImages) resources() (old, new *scim.Resource, err error) {
	before, after := r.records()
	if old, err = resourceOf(before); err != nil {
		return nil, nil, err
	}
	new, err = resourceOf(after)
	return old, new, err
}

// resourceOf is the resource of a record, nil for none.
func resourceOf(raw *Raw) (*scim.Resource, error) {
	if raw == nil {
		return nil, nil
	}
	s, err := decodeRecord(raw)
	if err != nil {
		return nil, err
	}
	return s.Resource()
}

// Encode is the images as bytes: the resource, the record before and the record after, the first
// two with their lengths (uvarint) in front.
func (r *RawImages) Encode() []byte {
	ref := r.Ref.String()
	v := make([]byte, 0, 2*binary.MaxVarintLen32+len(ref)+len(r.Old)+len(r.New))
	v = append(binary.AppendUvarint(v, uint64(len(ref))), ref...)
	v = append(binary.AppendUvarint(v, uint64(len(r.Old))), r.Old...)
	return append(v, r.New...)
}

// ParseImages reads what Encode wrote.
func ParseImages(n scim.Version, v []byte) (RawImages, error) {
	text, rest, ok := cutBytes(v)
	ref, isRef := ParseRef(string(text))
	old, new, whole := cutBytes(rest)
	if !ok || !isRef || !whole {
		return RawImages{}, scim.Errorf(scim.ErrCorrupt, "the images of change %d cannot be read", n)
	}
	return RawImages{Version: n, Ref: ref, Old: old, New: new}, nil
}

// cutBytes reads bytes with their length in front.
func cutBytes(v []byte) (text, rest []byte, ok bool) {
	n, used := binary.Uvarint(v)
	if used <= 0 || n > uint64(len(v)-used) {
		return nil, nil, false
	}
	return v[used : used+int(n)], v[used+int(n):], true
}
