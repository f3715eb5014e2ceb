/* abi: the layout of the structs that programs and the library share. A program holds them on its own stack, so that
 * the number SW_ABI has to go up with each size here. Has no code. */
#include "runtime/stepwell.h"

#if UINTPTR_MAX == UINT64_MAX
_Static_assert(SW_ABI == 2, "look at each size below: it is that of this number");
_Static_assert(sizeof(sw_bytes) == 16, "part of SW_ABI");
_Static_assert(sizeof(sw_value) == 24, "part of SW_ABI, with a msgpack-c of the same layout");
_Static_assert(sizeof(sw_endpoint_options) == 88, "part of SW_ABI");
_Static_assert(sizeof(sw_function_options) == 88, "part of SW_ABI");
_Static_assert(sizeof(sw_step_options) == 56, "part of SW_ABI");
_Static_assert(sizeof(sw_each_options) == 72, "part of SW_ABI");
_Static_assert(sizeof(sw_group_options) == 72, "part of SW_ABI");
_Static_assert(sizeof(sw_text) == 32, "part of SW_ABI");
_Static_assert(sizeof(sw_error) == 40, "part of SW_ABI");
_Static_assert(sizeof(sw_request) == 88, "part of SW_ABI");
_Static_assert(sizeof(sw_response) == 32, "part of SW_ABI");
_Static_assert(sizeof(sw_sse) == 32, "part of SW_ABI");
#endif
