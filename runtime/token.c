#include "runtime/token.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAC_BYTES = 32, MAC_TEXT = 43, SECONDS_DIGITS_MAX = 15 };

static void sign(const token_key *key, const run_id *id, uint64_t expires_s, uint8_t mac[MAC_BYTES])
{
    uint8_t message[RUN_ID_BYTES + 8];
    memcpy(message, id->bytes, RUN_ID_BYTES);
    for (int i = 0; i < 8; i++) message[RUN_ID_BYTES + i] = (uint8_t)(expires_s >> (56 - 8 * i));
    unsigned len = 0;
    if (!HMAC(EVP_sha256(), key->bytes, TOKEN_KEY_BYTES, message, sizeof message, mac, &len) || len != MAC_BYTES) {
        fprintf(stderr, "stepwell: libcrypto cannot compute HMAC-SHA256\n");
        abort();
    }
}

void token_key_derive(token_key *key, const void *secret, size_t len)
{
    unsigned out = 0;
    if (EVP_Digest(secret, len, key->bytes, &out, EVP_sha256(), NULL) != 1 || out != TOKEN_KEY_BYTES) {
        fprintf(stderr, "stepwell: libcrypto cannot compute SHA-256\n");
        abort();
    }
}

/* base64url without padding: RFC 4648, section 5. */
static void encode(const uint8_t mac[MAC_BYTES], char out[MAC_TEXT + 1])
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

void token_make(const token_key *key, const run_id *id, int64_t expires_ms, char out[TOKEN_TEXT_MAX])
{
    uint64_t expires_s = expires_ms > 0 ? (uint64_t)expires_ms / 1000 : 0;
    uint8_t mac[MAC_BYTES];
    char text[MAC_TEXT + 1];
    sign(key, id, expires_s, mac);
    encode(mac, text);
    (void)snprintf(out, TOKEN_TEXT_MAX, "%" PRIu64 ".%s", expires_s, text);
}

token_result token_check(const token_key *key, const run_id *id, int64_t now_ms, const char *text, size_t len)
{
    size_t digits = 0;
    uint64_t expires_s = 0;
    for (; digits < len && text[digits] >= '0' && text[digits] <= '9'; digits++) {
        if (digits == SECONDS_DIGITS_MAX) return TOKEN_MALFORMED;
        expires_s = expires_s * 10 + (uint64_t)(text[digits] - '0');
    }
    if (digits == 0 || (digits > 1 && text[0] == '0') || len != digits + 1 + MAC_TEXT || text[digits] != '.')
        return TOKEN_MALFORMED;
    uint8_t mac[MAC_BYTES];
    char expected[MAC_TEXT + 1];
    sign(key, id, expires_s, mac);
    encode(mac, expected);
    /* Compared as text, so that the unused bits of the last digit cannot be altered either. */
    if (CRYPTO_memcmp(expected, text + digits + 1, MAC_TEXT) != 0) return TOKEN_WRONG;
    return (int64_t)expires_s * 1000 + 999 < now_ms ? TOKEN_EXPIRED : TOKEN_OK;
}
