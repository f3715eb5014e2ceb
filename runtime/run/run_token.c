#include "runtime/run/run_token.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/want.h"

enum { MAC_BYTES = 32, MAC_TEXT = 43, SECONDS_DIGITS_MAX = 15 };
_Static_assert(MAC_TEXT == (MAC_BYTES * 8 + 5) / 6, "base64 has 6 bits a digit");
_Static_assert(RUN_TOKEN_TEXT_MAX > 1 + 20 + 1 + MAC_TEXT, "a scope, a number of 64 bits, '.', the digits");
_Static_assert(sizeof((run_token_key){0}.bytes) == RUN_TOKEN_KEY_BYTES, "a key is a SHA-256");

enum { PATH_DIGITS = 16, FORM = 'f' /* signed behind what a form's value says, as a scope is behind a token's */ };

/* A token's text, taken apart. */
typedef struct token_parts {
    run_token_scope scope;
    uint64_t number; /* Unix seconds; RUN_TOKEN_SIGNAL: a path */
    const char *mac; /* MAC_TEXT characters of the text */
} token_parts;

static void put_u64(uint8_t to[8], uint64_t n)
{
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(n >> (56 - 8 * i));
}

static void token_sign(const run_token_key *key, const uint8_t *message, size_t len, uint8_t mac[MAC_BYTES])
{
    unsigned mac_len = 0;
    if (!HMAC(EVP_sha256(), key->bytes, RUN_TOKEN_KEY_BYTES, message, len, mac, &mac_len) || mac_len != MAC_BYTES) {
        want_end("the token of a run's URL");
    }
}

/* What version 0.1 signed has no scope and no letter: that is a message of another length, so no letter can be taken
 * off a token or put before it. */
static void run_token_sign(const run_token_key *key, const run_id *id, const token_parts *of, uint8_t mac[MAC_BYTES])
{
    uint8_t message[RUN_ID_BYTES + 8 + 1];
    size_t message_len = RUN_ID_BYTES + 8;
    memcpy(message, id->bytes, RUN_ID_BYTES);
    put_u64(message + RUN_ID_BYTES, of->number);
    if (of->scope != RUN_TOKEN_CONTROL) message[message_len++] = (uint8_t)of->scope;
    token_sign(key, message, message_len, mac);
}

void run_token_key_derive(run_token_key *key, const void *secret, size_t len)
{
    unsigned out = 0;
    if (EVP_Digest(secret, len, key->bytes, &out, EVP_sha256(), NULL) != 1 || out != RUN_TOKEN_KEY_BYTES) {
        want_end("the key of tokens");
    }
}

/* base64url without padding: RFC 4648, section 5. */
static void run_token_encode_mac(const uint8_t mac[MAC_BYTES], char out[MAC_TEXT + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < MAC_BYTES; i++) {
        bits = bits << 8 | mac[i];
        for (have += 8; have >= 6; have -= 6) out[n++] = digits[bits >> (have - 6) & 63];
    }
    if (have) out[n++] = digits[bits << (6 - have) & 63];
    assert(n == MAC_TEXT);
    out[n] = 0;
}

void run_token_make(const run_token_key *key, const run_id *id, run_token_scope scope, int64_t expires_ms,
                    char out[RUN_TOKEN_TEXT_MAX])
{
    assert(scope == RUN_TOKEN_READ || scope == RUN_TOKEN_CONTROL);
    const token_parts of = {.scope = scope, .number = expires_ms > 0 ? (uint64_t)expires_ms / 1000 : 0};
    uint8_t mac[MAC_BYTES];
    char text[MAC_TEXT + 1];
    run_token_sign(key, id, &of, mac);
    run_token_encode_mac(mac, text);
    (void)snprintf(out, RUN_TOKEN_TEXT_MAX, "%s%" PRIu64 ".%s", scope == RUN_TOKEN_READ ? "r" : "", of.number, text);
}

run_token_scope run_token_scope_of(const char *text, size_t len)
{
    if (len > 0 && (text[0] == RUN_TOKEN_READ || text[0] == RUN_TOKEN_SIGNAL)) return (run_token_scope)text[0];
    return RUN_TOKEN_CONTROL;
}

/* Reads decimal seconds, as snprintf writes them. NULL: there are none; else where they end. */
static const char *take_seconds(const char *at, const char *end, uint64_t *out)
{
    const char *first = at;
    *out = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (at - first == SECONDS_DIGITS_MAX) return NULL;
        *out = *out * 10 + (uint64_t)(*at - '0');
    }
    return at == first || (at - first > 1 && *first == '0') ? NULL : at;
}

/* Reads PATH_DIGITS of a path. NULL: there are none; else where they end. */
static const char *take_path(const char *at, const char *end, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    *out = 0;
    if (end - at < PATH_DIGITS) return NULL;
    for (int i = 0; i < PATH_DIGITS; i++, at++) {
        const char *digit = *at ? strchr(digits, *at) : NULL;
        if (!digit) return NULL;
        *out = *out << 4 | (uint64_t)(digit - digits);
    }
    return at;
}

static bool run_token_take_apart(const char *text, size_t len, token_parts *out)
{
    const char *at = text, *end = text + len;
    *out = (token_parts){.scope = run_token_scope_of(text, len)};
    if (out->scope != RUN_TOKEN_CONTROL) at++;
    at = (out->scope == RUN_TOKEN_SIGNAL ? take_path : take_seconds)(at, end, &out->number);
    if (!at || at == end || *at != '.') return false;
    out->mac = at + 1;
    return end - out->mac == MAC_TEXT;
}

bool run_token_is_formed(const char *text, size_t len)
{
    token_parts parts;
    return run_token_take_apart(text, len, &parts);
}

/* Compared as text, so that the unused bits of the last digit cannot be altered either. */
static bool mac_is(const uint8_t mac[MAC_BYTES], const char text[MAC_TEXT])
{
    char expected[MAC_TEXT + 1];
    run_token_encode_mac(mac, expected);
    return CRYPTO_memcmp(expected, text, MAC_TEXT) == 0;
}

static run_token_result result_by_time(uint64_t expires_s, int64_t now_ms)
{
    return (int64_t)expires_s * 1000 + 999 < now_ms ? RUN_TOKEN_EXPIRED : RUN_TOKEN_OK;
}

run_token_result run_token_check(const run_token_key *key, const run_id *id, int64_t now_ms, const char *text,
                                 size_t len)
{
    token_parts parts;
    if (!run_token_take_apart(text, len, &parts)) return RUN_TOKEN_MALFORMED;
    uint8_t mac[MAC_BYTES];
    run_token_sign(key, id, &parts, mac);
    if (!mac_is(mac, parts.mac)) return RUN_TOKEN_WRONG;
    return parts.scope == RUN_TOKEN_SIGNAL ? RUN_TOKEN_OK : result_by_time(parts.number, now_ms);
}

/* ---- Questions ---- */

void run_token_make_question(const run_token_key *key, const run_id *id, uint64_t path, char out[RUN_TOKEN_TEXT_MAX])
{
    const token_parts of = {.scope = RUN_TOKEN_SIGNAL, .number = path};
    uint8_t mac[MAC_BYTES];
    char text[MAC_TEXT + 1];
    run_token_sign(key, id, &of, mac);
    run_token_encode_mac(mac, text);
    (void)snprintf(out, RUN_TOKEN_TEXT_MAX, "%c%0*" PRIx64 ".%s", RUN_TOKEN_SIGNAL, PATH_DIGITS, path, text);
}

uint64_t run_token_question(const char *text, size_t len)
{
    token_parts parts;
    return run_token_take_apart(text, len, &parts) && parts.scope == RUN_TOKEN_SIGNAL ? parts.number : 0;
}

/* Another length than that of a token's message: none of them is the other. */
static void form_sign(const run_token_key *key, const run_token_form *of, uint64_t expires_s, uint8_t mac[MAC_BYTES])
{
    uint8_t message[RUN_ID_BYTES + 8 + 8 + 1];
    memcpy(message, of->run->bytes, RUN_ID_BYTES);
    put_u64(message + RUN_ID_BYTES, of->question);
    put_u64(message + RUN_ID_BYTES + 8, expires_s);
    message[sizeof message - 1] = FORM;
    token_sign(key, message, sizeof message, mac);
}

void run_token_make_form(const run_token_key *key, const run_token_form *of, char out[RUN_TOKEN_TEXT_MAX])
{
    uint64_t expires_s = of->expires_ms > 0 ? (uint64_t)of->expires_ms / 1000 : 0;
    uint8_t mac[MAC_BYTES];
    char text[MAC_TEXT + 1];
    form_sign(key, of, expires_s, mac);
    run_token_encode_mac(mac, text);
    (void)snprintf(out, RUN_TOKEN_TEXT_MAX, "%" PRIu64 ".%s", expires_s, text);
}

run_token_result run_token_check_form(const run_token_key *key, const run_token_form *of, int64_t now_ms,
                                      http_text text)
{
    uint64_t expires_s;
    const char *end = text.data + text.len, *at = take_seconds(text.data, end, &expires_s);
    if (!at || at == end || *at != '.' || end - at - 1 != MAC_TEXT) return RUN_TOKEN_MALFORMED;
    uint8_t mac[MAC_BYTES];
    form_sign(key, of, expires_s, mac);
    return mac_is(mac, at + 1) ? result_by_time(expires_s, now_ms) : RUN_TOKEN_WRONG;
}
