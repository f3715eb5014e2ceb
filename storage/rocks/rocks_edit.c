#include "storage/rocks/rocks_edit.h"

#include <assert.h>

/* Tags of a record's items, db/version_edit.h. */
enum {
    COMPARATOR = 1,
    LOG_NUMBER = 2,
    NEXT_FILE = 3,
    LAST_SEQUENCE = 4,
    COMPACT_CURSOR = 5,
    DELETED_FILE = 6,
    PREVIOUS_LOG = 9,
    LOGS_TO_KEEP = 10,
    NEW_FILE = 103,
    TABLE = 200,
    TABLE_ADD = 201,
    TABLE_DROP = 202,
    TABLES_MAX = 203,
    ATOMIC_GROUP = 300,
    BLOB_FILE = 400,
    BLOB_GARBAGE = 401,
    MAY_BE_IGNORED = 1 << 13, /* such tags carry one text */
    FIELDS_END = 1            /* of a new file's and a blob file's further fields */
};

bool rocks_varint(const uint8_t **at, const uint8_t *end, uint64_t *n)
{
    assert(*at <= end);
    *n = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

bool rocks_prefixed(const uint8_t **at, const uint8_t *end, const uint8_t **text, size_t *len)
{
    uint64_t n;
    if (!rocks_varint(at, end, &n) || n > (uint64_t)(end - *at)) return false;
    *text = *at;
    *len = (size_t)n;
    *at += n;
    assert(*at <= end);
    return true;
}

/* Moves *at over the items that `what` tells: 'n' a number, 't' a text, 'f' fields up to their end. */
static bool fields_pass(const uint8_t **at, const uint8_t *end, const char *what)
{
    const uint8_t *text;
    size_t len;
    uint64_t n;
    for (; *what; what++) {
        if (*what == 'n' && !rocks_varint(at, end, &n)) return false;
        if (*what == 't' && !rocks_prefixed(at, end, &text, &len)) return false;
        while (*what == 'f') {
            if (!rocks_varint(at, end, &n)) return false;
            if (n == FIELDS_END) break;
            if (!rocks_prefixed(at, end, &text, &len)) return false;
        }
    }
    return true;
}

/* Which items stand behind a tag that tells nothing of logs, as fields_pass takes them; NULL: the tag is unknown. */
static const char *tag_shape(uint64_t tag)
{
    switch (tag) {
    case COMPARATOR:
        return "t";
    case NEXT_FILE:
    case LAST_SEQUENCE:
    case PREVIOUS_LOG:
    case TABLES_MAX:
    case ATOMIC_GROUP:
        return "n";
    case COMPACT_CURSOR:
        return "nt";
    case DELETED_FILE:
        return "nn";
    case NEW_FILE:
        return "nnnttnnf";
    case BLOB_FILE:
        return "nnnttf";
    case BLOB_GARBAGE:
        return "nnnf";
    default:
        return tag & MAY_BE_IGNORED ? "t" : NULL;
    }
}

bool rocks_edit_read(rocks_edits *e, const uint8_t *record, size_t len)
{
    const uint8_t *at = record, *end = record + len, *name;
    uint64_t tag, n = 0, table = 0, log = 0;
    size_t name_len;
    bool adds = false, drops = false;
    while (at < end) {
        if (!rocks_varint(&at, end, &tag)) return false;
        bool number = tag == LOG_NUMBER || tag == LOGS_TO_KEEP || tag == TABLE;
        if (number && !rocks_varint(&at, end, &n)) return false;
        if (tag == LOG_NUMBER) log = n;
        if (tag == LOGS_TO_KEEP && n > e->logs_from) e->logs_from = n;
        if (tag == TABLE) table = n;
        if (tag == TABLE_ADD && !rocks_prefixed(&at, end, &name, &name_len)) return false;
        adds = adds || tag == TABLE_ADD;
        drops = drops || tag == TABLE_DROP;
        if (number || tag == TABLE_ADD || tag == TABLE_DROP) continue;
        const char *what = tag_shape(tag);
        if (!what || !fields_pass(&at, end, what)) return false;
    }
    if (table >= ROCKS_EDIT_TABLES) return false;
    assert(at == end);
    if (adds || table == 0) e->there[table] = true;
    if (drops) e->there[table] = false;
    if (log > e->log[table]) e->log[table] = log;
    return true;
}

uint64_t rocks_edits_first_log(const rocks_edits *e)
{
    uint64_t first = UINT64_MAX;
    for (int t = 0; t < ROCKS_EDIT_TABLES; t++)
        if (e->there[t] && e->log[t] < first) first = e->log[t];
    if (first == UINT64_MAX) first = 0;
    return e->logs_from > first ? e->logs_from : first;
}
