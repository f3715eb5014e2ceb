/* outcome: two tables: which kind of error each of curl's results is, and what each kind is called and means for a user
 * who would make the call again. */
#include <assert.h>

#include "http/client/client_core.h"

/* ---- Kinds ---- */

static const struct {
    const char *name; /* in journals and recordings: never changed */
    const char *text; /* for people, when nothing more is known */
    http_call_fate fate;
} kinds[] = {
    [HTTP_CALL_OK] = {"", "no error", HTTP_FATE_RETRY},
    [HTTP_CALL_BAD_URL] = {"bad url", "the URL is not a valid http or https URL", HTTP_FATE_FATAL},
    [HTTP_CALL_BAD_HEADER] = {"bad header",
                              "a request header or the method has characters that cannot be sent, or contradicts the "
                              "body",
                              HTTP_FATE_FATAL},
    [HTTP_CALL_BUSY] = {"busy", "too many calls are under way", HTTP_FATE_RETRY},
    [HTTP_CALL_RESOLVE] = {"resolve", "the host name could not be resolved", HTTP_FATE_RETRY},
    [HTTP_CALL_CONNECT] = {"connect", "the connection could not be made", HTTP_FATE_RETRY},
    [HTTP_CALL_NOT_PUBLIC] = {"not public", "the host is not on the public network", HTTP_FATE_FATAL},
    [HTTP_CALL_PROXY] = {"proxy", "the proxy could not be used", HTTP_FATE_RETRY},
    [HTTP_CALL_PROXY_REFUSED] = {"proxy refused", "the proxy refused the call", HTTP_FATE_FATAL},
    [HTTP_CALL_TLS] = {"tls", "the TLS connection could not be made", HTTP_FATE_RETRY},
    [HTTP_CALL_CERTIFICATE] = {"certificate", "the certificate is not to be trusted", HTTP_FATE_FATAL},
    [HTTP_CALL_TIMEOUT] = {"timeout", "timed out", HTTP_FATE_UNKNOWN},
    [HTTP_CALL_TOO_LARGE] = {"too large", "the response is larger than allowed", HTTP_FATE_FATAL},
    [HTTP_CALL_UNREADABLE] = {"unreadable", "the response cannot be read", HTTP_FATE_FATAL},
    [HTTP_CALL_REDIRECT] = {"redirect", "the redirects led nowhere", HTTP_FATE_FATAL},
    [HTTP_CALL_BROKEN] = {"broken", "the connection broke", HTTP_FATE_UNKNOWN},
    [HTTP_CALL_UNSUPPORTED] = {"unsupported", "this libcurl, or how it is set up, cannot make the call",
                               HTTP_FATE_FATAL},
    [HTTP_CALL_OTHER] = {"other", "the call failed",
                         HTTP_FATE_UNKNOWN}, /* e.g. want of memory, before or after sending */
};
_Static_assert(sizeof kinds / sizeof kinds[0] == HTTP_CALL_ERROR_KINDS, "a kind without a row");
_Static_assert(HTTP_CALL_ERROR_KINDS <= 255, "a kind is a byte of `results`");
_Static_assert(HTTP_CALL_OK == 0, "in `results` zero stands for a result that nobody has decided");

/* A kind that is none counts as HTTP_CALL_OTHER. */
static http_call_error_kind kind_checked(http_call_error_kind kind)
{
    return (unsigned)kind < HTTP_CALL_ERROR_KINDS ? kind : HTTP_CALL_OTHER;
}

http_call_fate http_call_error_fate(http_call_error_kind kind) { return kinds[kind_checked(kind)].fate; }
const char *http_call_error_name(http_call_error_kind kind) { return kinds[kind_checked(kind)].name; }
const char *outcome_text(http_call_error_kind kind) { return kinds[kind_checked(kind)].text; }

/* ---- curl's results ---- */

enum {
    NEVER = HTTP_CALL_OTHER, /* a result of other protocols, or one that curl does not use any more */
    /* Results of curl 8.6 and 8.8, which Debian 12's header does not have. */
    CURL_TOO_LARGE = 100,
    CURL_ECH_REQUIRED = 101
};

/* By curl's numbers, which never change. tests/http/client/client_outcome.c refuses a zero: nobody has decided that
 * result. */
static const unsigned char results[] = {
    [CURLE_UNSUPPORTED_PROTOCOL] = HTTP_CALL_BROKEN, /* the URL's own was checked: an answer that is no HTTP */
    [CURLE_FAILED_INIT] = HTTP_CALL_OTHER,
    [CURLE_URL_MALFORMAT] = HTTP_CALL_BAD_URL,
    [CURLE_NOT_BUILT_IN] = HTTP_CALL_UNSUPPORTED,
    [CURLE_COULDNT_RESOLVE_PROXY] = HTTP_CALL_PROXY,
    [CURLE_COULDNT_RESOLVE_HOST] = HTTP_CALL_RESOLVE,
    [CURLE_COULDNT_CONNECT] = HTTP_CALL_CONNECT,
    [CURLE_WEIRD_SERVER_REPLY] = HTTP_CALL_UNREADABLE,
    [CURLE_REMOTE_ACCESS_DENIED] = NEVER,
    [10] = NEVER,
    [11] = NEVER,
    [12] = NEVER,
    [13] = NEVER,
    [14] = NEVER,
    [15] = NEVER, /* FTP */
    [CURLE_HTTP2] = HTTP_CALL_BROKEN,
    [17] = NEVER, /* FTP */
    [CURLE_PARTIAL_FILE] = HTTP_CALL_BROKEN,
    [19] = NEVER,
    [20] = NEVER,
    [21] = NEVER,
    [CURLE_HTTP_RETURNED_ERROR] = NEVER,   /* only asked for by FAILONERROR */
    [CURLE_WRITE_ERROR] = HTTP_CALL_OTHER, /* answer.c refused, and has noted why */
    [24] = NEVER,
    [CURLE_UPLOAD_FAILED] = NEVER,
    [CURLE_READ_ERROR] = HTTP_CALL_OTHER,
    [CURLE_OUT_OF_MEMORY] = HTTP_CALL_OTHER,
    [CURLE_OPERATION_TIMEDOUT] = HTTP_CALL_TIMEOUT,
    [29] = NEVER,
    [30] = NEVER,
    [31] = NEVER,
    [32] = NEVER,
    [CURLE_RANGE_ERROR] = NEVER,
    [CURLE_HTTP_POST_ERROR] = HTTP_CALL_OTHER,
    [CURLE_SSL_CONNECT_ERROR] = HTTP_CALL_TLS, /* also a connection that breaks in the handshake */
    [36] = NEVER,
    [37] = NEVER,
    [38] = NEVER,
    [39] = NEVER,
    [40] = NEVER,
    [41] = NEVER,
    [CURLE_ABORTED_BY_CALLBACK] = HTTP_CALL_BROKEN, /* transfer_on_send refused to send a second time */
    [CURLE_BAD_FUNCTION_ARGUMENT] = HTTP_CALL_UNSUPPORTED,
    [44] = NEVER,
    [CURLE_INTERFACE_FAILED] = HTTP_CALL_OTHER,
    [46] = NEVER,
    [CURLE_TOO_MANY_REDIRECTS] = HTTP_CALL_REDIRECT,
    [CURLE_UNKNOWN_OPTION] = HTTP_CALL_UNSUPPORTED,
    [49] = NEVER,
    [50] = NEVER,
    [51] = NEVER,
    [CURLE_GOT_NOTHING] = HTTP_CALL_BROKEN,
    [CURLE_SSL_ENGINE_NOTFOUND] = HTTP_CALL_UNSUPPORTED,
    [CURLE_SSL_ENGINE_SETFAILED] = HTTP_CALL_UNSUPPORTED,
    [CURLE_SEND_ERROR] = HTTP_CALL_BROKEN,
    [CURLE_RECV_ERROR] = HTTP_CALL_BROKEN,
    [57] = NEVER,
    [CURLE_SSL_CERTPROBLEM] = HTTP_CALL_CERTIFICATE,
    [CURLE_SSL_CIPHER] = HTTP_CALL_UNSUPPORTED,
    [CURLE_PEER_FAILED_VERIFICATION] = HTTP_CALL_CERTIFICATE,
    [CURLE_BAD_CONTENT_ENCODING] = HTTP_CALL_UNREADABLE,
    [62] = NEVER,
    [CURLE_FILESIZE_EXCEEDED] = HTTP_CALL_TOO_LARGE,
    [CURLE_USE_SSL_FAILED] = HTTP_CALL_TLS,
    [CURLE_SEND_FAIL_REWIND] = HTTP_CALL_BROKEN,
    [CURLE_SSL_ENGINE_INITFAILED] = HTTP_CALL_UNSUPPORTED,
    [CURLE_LOGIN_DENIED] = HTTP_CALL_UNSUPPORTED,
    [68] = NEVER,
    [69] = NEVER,
    [70] = NEVER,
    [71] = NEVER,
    [72] = NEVER,
    [73] = NEVER,
    [74] = NEVER,
    [75] = NEVER,
    [76] = NEVER, /* TFTP and the like */
    [CURLE_SSL_CACERT_BADFILE] = HTTP_CALL_CERTIFICATE,
    [78] = NEVER,
    [79] = NEVER,
    [CURLE_SSL_SHUTDOWN_FAILED] = HTTP_CALL_TLS,
    [CURLE_AGAIN] = HTTP_CALL_OTHER,
    [CURLE_SSL_CRL_BADFILE] = HTTP_CALL_CERTIFICATE,
    [CURLE_SSL_ISSUER_ERROR] = HTTP_CALL_CERTIFICATE,
    [84] = NEVER,
    [85] = NEVER,
    [86] = NEVER,
    [87] = NEVER,
    [88] = NEVER, /* FTP, RTSP */
    [CURLE_NO_CONNECTION_AVAILABLE] = HTTP_CALL_BUSY,
    [CURLE_SSL_PINNEDPUBKEYNOTMATCH] = HTTP_CALL_CERTIFICATE,
    [CURLE_SSL_INVALIDCERTSTATUS] = HTTP_CALL_CERTIFICATE,
    [CURLE_HTTP2_STREAM] = HTTP_CALL_BROKEN,
    [CURLE_RECURSIVE_API_CALL] = HTTP_CALL_OTHER,
    [CURLE_AUTH_ERROR] = HTTP_CALL_UNSUPPORTED,
    [CURLE_HTTP3] = HTTP_CALL_BROKEN,
    [CURLE_QUIC_CONNECT_ERROR] = HTTP_CALL_CONNECT,
    [CURLE_PROXY] = HTTP_CALL_PROXY, /* SOCKS */
    [CURLE_SSL_CLIENTCERT] = HTTP_CALL_CERTIFICATE,
    [CURLE_UNRECOVERABLE_POLL] = HTTP_CALL_OTHER,
    [CURL_TOO_LARGE] = HTTP_CALL_TOO_LARGE,
    [CURL_ECH_REQUIRED] = HTTP_CALL_UNSUPPORTED,
};

http_call_error_kind outcome_kind(CURLcode result)
{
    size_t count = sizeof results / sizeof results[0];
    assert(result != CURLE_OK);
    return (size_t)result < count ? (http_call_error_kind)results[result] : HTTP_CALL_OTHER;
}
