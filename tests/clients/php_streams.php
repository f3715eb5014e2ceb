<?php
// PHP's streams. Its calls are lines of standard input (calls.py).
$settings = [
    'plain' => [],
    'longer' => ['max_redirects' => 1000, 'timeout' => 86400],
    'failing' => ['ignore_errors' => true],
][$argv[1]];
while ($line = fgets(STDIN)) {
    [$method, $url, $kind] = explode(' ', trim($line));
    $headers = $kind === 'stream' ? ['Accept: text/event-stream'] : [];
    $options = ['method' => $method] + $settings;
    if ($method === 'POST') {
        $headers[] = 'Content-Type: application/json';
        $options['content'] = '{"n": 1}';
    }
    if ($headers) $options['header'] = $headers;
    $http_response_header = [];
    $body = @file_get_contents($url, false, stream_context_create(['http' => $options]));
    $fields = [];
    $status = 0;
    foreach ($http_response_header as $field) { // the heads of all rounds
        if (preg_match('/^HTTP\S* (\d+)/', $field, $found)) [$fields, $status] = [[], $found[1]];
        $parts = explode(':', $field, 2);
        if (count($parts) === 2) $fields[strtolower($parts[0])] = trim($parts[1]);
    }
    $words = $body === false ? ['error', error_get_last()['message'] ?? ''] : [$status, $fields['content-type'] ?? '',
        $fields['x-answer'] ?? '', base64_encode($body), ''];
    echo implode("\t", preg_replace('/\s+/', ' ', $words)), "\n";
}
