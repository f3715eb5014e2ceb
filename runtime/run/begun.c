#include "runtime/run/begun.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/value.h"
#include "runtime/stepwell.h"

/* On disk: docs/internals/journal.md. */
static const char BEGUN_BY[] = "begun_by", FORKED_FROM[] = "forked_from", FORKED_AT[] = "forked_at";

/* Copies a text that fits; else leaves `to` empty. */
static void begun_copy(char *to, size_t room, sw_value v)
{
    bool fits = sw_type(v) == SW_STRING && sw_len(v) < room;
    (void)snprintf(to, room, "%.*s", fits ? (int)sw_len(v) : 0, fits ? v.via.str.ptr : "");
}

bool begun_read(arena *a, const entry *started, begun *out)
{
    sw_value more;
    const char *error = NULL;
    *out = (begun){.by = ""};
    if (started->more.len == 0) return true;
    if (!value_unpack(a, started->more.data, started->more.len, &more, &error)) return error != value_no_memory;
    begun_copy(out->by, sizeof out->by, sw_get(more, BEGUN_BY));
    begun_copy(out->forked_from, sizeof out->forked_from, sw_get(more, FORKED_FROM));
    return true;
}

static bool pack_text(msgpack_packer *pk, const char *text)
{
    size_t len = strlen(text);
    return msgpack_pack_str(pk, len) == 0 && msgpack_pack_str_body(pk, text, len) == 0;
}

bool begun_pack(msgpack_packer *pk, const char *by, const begun_fork *fork)
{
    char id[RUN_ID_TEXT + 1];
    if (by && !(pack_text(pk, BEGUN_BY) && pack_text(pk, by))) return false;
    if (!fork) return true;
    run_id_format(fork->from, id);
    return pack_text(pk, FORKED_FROM) && pack_text(pk, id) && pack_text(pk, FORKED_AT) &&
           msgpack_pack_uint64(pk, fork->at) == 0;
}
