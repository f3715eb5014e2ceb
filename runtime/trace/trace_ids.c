#include "runtime/trace/trace_ids.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <xxhash.h>

#include "runtime/base/want.h"

enum { DIGEST_BYTES = 32 };

static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

/* EVP_sha256() would have OpenSSL look for an implementation at each use, which takes longer than the hash. */
static void sha256_fetch(void) { sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); }

void trace_id_of_run(const uint8_t run[16], uint8_t out[TRACE_ID_BYTES])
{
    uint8_t digest[DIGEST_BYTES];
    unsigned len = 0;
    (void)pthread_once(&sha256_once, sha256_fetch);
    const EVP_MD *md = sha256 ? sha256 : EVP_sha256();
    if (EVP_Digest(run, 16, digest, &len, md, NULL) != 1 || len != DIGEST_BYTES) want_end("the id of a trace");
    memcpy(out, digest, TRACE_ID_BYTES);
}

uint64_t trace_span_id(const uint8_t subject[16], const trace_place *place)
{
    struct {
        uint8_t subject[16];
        trace_place place;
    } named = {.place = *place};
    _Static_assert(sizeof named == 16 + 3 * 8 + 4 * 4, "no padding is hashed");
    memcpy(named.subject, subject, sizeof named.subject);
    uint64_t id = XXH3_64bits(&named, sizeof named);
    return id ? id : 1;
}
