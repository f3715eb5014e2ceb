/* What curl's results mean: each is decided, and what cannot get better by another try is fatal. The decisions are
 * written down a second time here: who changes one has to mean it. */
#include "http/client/client_core.h"
#include "tests/harness/check.h"

static void test_every_result(void)
{
    for (int code = 1; code < CURL_LAST; code++) {
        http_call_error_kind kind = outcome_kind((CURLcode)code);
        if (kind == HTTP_CALL_OK) printf("# %d: %s\n", code, curl_easy_strerror((CURLcode)code));
        CHECK(kind != HTTP_CALL_OK && kind < HTTP_CALL_ERROR_KINDS);
    }
    CHECK_INT(outcome_kind((CURLcode)(CURL_LAST + 1000)), HTTP_CALL_OTHER); /* of a curl to come */
}

static void expect_fate(const CURLcode *codes, size_t count, http_call_fate fate)
{
    for (size_t i = 0; i < count; i++) {
        if (http_call_error_fate(outcome_kind(codes[i])) != fate) printf("# %s\n", curl_easy_strerror(codes[i]));
        CHECK_INT(http_call_error_fate(outcome_kind(codes[i])), fate);
    }
}

static void test_fates(void)
{
    static const CURLcode retry[] = {CURLE_COULDNT_RESOLVE_PROXY,
                                     CURLE_COULDNT_RESOLVE_HOST,
                                     CURLE_COULDNT_CONNECT,
                                     CURLE_SSL_CONNECT_ERROR,
                                     CURLE_NO_CONNECTION_AVAILABLE,
                                     CURLE_QUIC_CONNECT_ERROR,
                                     CURLE_PROXY};
    static const CURLcode unknown[] = {CURLE_UNSUPPORTED_PROTOCOL, /* an answer that is no HTTP */
                                       CURLE_HTTP2,
                                       CURLE_HTTP2_STREAM,
                                       CURLE_HTTP3,
                                       CURLE_PARTIAL_FILE,
                                       CURLE_OPERATION_TIMEDOUT,
                                       CURLE_ABORTED_BY_CALLBACK,
                                       CURLE_GOT_NOTHING,
                                       CURLE_SEND_ERROR,
                                       CURLE_RECV_ERROR,
                                       CURLE_SEND_FAIL_REWIND,
                                       CURLE_OUT_OF_MEMORY, /* before the request or behind it */
                                       CURLE_FAILED_INIT};
    static const CURLcode fatal[] = {CURLE_URL_MALFORMAT,
                                     CURLE_NOT_BUILT_IN,
                                     CURLE_WEIRD_SERVER_REPLY,
                                     CURLE_TOO_MANY_REDIRECTS,
                                     CURLE_BAD_FUNCTION_ARGUMENT,
                                     CURLE_UNKNOWN_OPTION,
                                     CURLE_SSL_ENGINE_NOTFOUND,
                                     CURLE_SSL_ENGINE_SETFAILED,
                                     CURLE_SSL_ENGINE_INITFAILED,
                                     CURLE_SSL_CERTPROBLEM,
                                     CURLE_SSL_CIPHER,
                                     CURLE_PEER_FAILED_VERIFICATION,
                                     CURLE_BAD_CONTENT_ENCODING,
                                     CURLE_FILESIZE_EXCEEDED,
                                     CURLE_SSL_CACERT_BADFILE,
                                     CURLE_SSL_CRL_BADFILE,
                                     CURLE_SSL_ISSUER_ERROR,
                                     CURLE_SSL_PINNEDPUBKEYNOTMATCH,
                                     CURLE_SSL_INVALIDCERTSTATUS,
                                     CURLE_SSL_CLIENTCERT,
                                     CURLE_AUTH_ERROR,
                                     CURLE_LOGIN_DENIED};
    expect_fate(retry, sizeof retry / sizeof retry[0], HTTP_FATE_RETRY);
    expect_fate(unknown, sizeof unknown / sizeof unknown[0], HTTP_FATE_UNKNOWN);
    expect_fate(fatal, sizeof fatal / sizeof fatal[0], HTTP_FATE_FATAL);
}

static void test_kinds(void)
{
    for (int a = 0; a < HTTP_CALL_ERROR_KINDS; a++) {
        CHECK(strlen(outcome_text((http_call_error_kind)a)) > 5);
        CHECK((*http_call_error_name((http_call_error_kind)a) == 0) == (a == HTTP_CALL_OK));
        for (int b = 0; b < a; b++)
            CHECK(strcmp(http_call_error_name((http_call_error_kind)a),
                         http_call_error_name((http_call_error_kind)b)) != 0);
    }
    CHECK_STR(http_call_error_name((http_call_error_kind)1000), "other"); /* of a record of a later version */
    CHECK_STR(http_call_error_name((http_call_error_kind)-1), "other");
}

static const check_case cases[] = {{"every result of curl is decided", test_every_result},
                                   {"what another try could do is decided", test_fates},
                                   {"every kind has a name of its own", test_kinds}};
CHECK_MAIN(cases)
