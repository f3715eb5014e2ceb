// Java's HttpClient. Its calls are lines of standard input (calls.py).
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Base64;

class JavaHttpClient {
    static HttpClient client; // one for all calls, as its documents advise

    static String call(String method, String url, String kind) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
        if (method.equals("POST"))
            request.header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString("{\"n\": 1}"));
        if (kind.equals("stream")) request.header("Accept", "text/event-stream");
        HttpResponse<byte[]> response = client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
        if (response.statusCode() == 303 && !client.followRedirects().equals(HttpClient.Redirect.NEVER))
            return "error\tit stopped at a redirect"; // its limit: what it has is its answer
        return String.join("\t", "" + response.statusCode(), response.headers().firstValue("Content-Type").orElse(""),
            response.headers().firstValue("X-Answer").orElse(""), Base64.getEncoder().encodeToString(response.body()),
            response.uri().toString());
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("longer")) System.setProperty("jdk.httpclient.redirects.retrylimit", "1000");
        HttpClient.Builder builder = HttpClient.newBuilder();
        if (!arguments[0].equals("plain")) builder.followRedirects(HttpClient.Redirect.NORMAL);
        client = builder.build();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null;) {
            String[] words = line.split(" ");
            String answer;
            try {
                answer = call(words[0], words[1], words[2]);
            } catch (Exception error) {
                answer = "error\t" + error.toString().replaceAll("\\s+", " ");
            }
            System.out.println(answer);
        }
    }
}
