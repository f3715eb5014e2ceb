/* scalar: the values of stepwell.h that take no memory, and so need no context. */
#include "runtime/stepwell.h"

sw_value sw_nil(void) { return (sw_value){.type = MSGPACK_OBJECT_NIL}; }

sw_value sw_bool(bool value)
{
    sw_value v = {.type = MSGPACK_OBJECT_BOOLEAN};
    v.via.boolean = value;
    return v;
}

sw_value sw_int(int64_t value)
{
    sw_value v = {.type = value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER};
    v.via.i64 = value;
    return v;
}

sw_value sw_double(double value)
{
    sw_value v = {.type = MSGPACK_OBJECT_FLOAT64};
    v.via.f64 = value;
    return v;
}
