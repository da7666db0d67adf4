package hwvtep

// The keys of PhysicalPort.OtherConfig for a port that is a link of an Ethernet segment, to which other VTEPs are attached, too. The
// first three are the operator's, for a bridge to EVPN. That writes the others for the VTEP, for which they count beside a
// segment only, or one that can't be read: what a bridge has left in the row of a port that has none any more does no harm.
const (
	KeyESI          = "evpn_esi"           // Physical_Port: see ParseESI
	KeySingleActive = "evpn_single_active" // Physical_Port: bool: one VTEP forwards, not all
	KeyDFPreference = "evpn_df_preference" // Physical_Port: 0..MaxDFPreference
	KeySegment      = "evpn_segment"       // Physical_Port: its number in the database, the tunnel_key of locators that mean "at this port"
	KeySegmentVTEPs = "evpn_segment_vteps" // Physical_Port: addresses with spaces between, of the others that are attached
	KeyBlocked      = "evpn_blocked"       // Physical_Port: BlockedAll, or VLANs with commas between, for which another one is designated
)

const (
	UsualDFPreference = 32767
	MaxDFPreference   = 1<<16 - 1
	BlockedAll        = "all"
)
