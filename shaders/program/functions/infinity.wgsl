// WGSL has no literal for infinity and nan, and refuses constant expressions that give them:
// the bits go through a variable.
var<private> INFINITY_BITS: u32 = 0x7f800000u;
var<private> NAN_BITS: u32 = 0x7fc00000u;
