<?php
// PHP's curl. Its calls are lines of standard input (calls.py).
$settings = [
    'plain' => [],
    'follow' => [CURLOPT_FOLLOWLOCATION => true],
    'longer' => [CURLOPT_FOLLOWLOCATION => true, CURLOPT_MAXREDIRS => -1],
][$argv[1]];
while ($line = fgets(STDIN)) {
    [$method, $url, $kind] = explode(' ', trim($line));
    $headers = $kind === 'stream' ? ['Accept: text/event-stream'] : [];
    $fields = [];
    $curl = curl_init($url);
    curl_setopt_array($curl, $settings + [CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HEADERFUNCTION => function ($curl, $field) use (&$fields) {
        if (str_starts_with($field, 'HTTP/')) $fields = [];
        $parts = explode(':', $field, 2);
        if (count($parts) === 2) $fields[strtolower($parts[0])] = trim($parts[1]);
        return strlen($field);
    }]);
    if ($method === 'POST') {
        $headers[] = 'Content-Type: application/json';
        curl_setopt($curl, CURLOPT_POSTFIELDS, '{"n": 1}');
    }
    curl_setopt($curl, CURLOPT_HTTPHEADER, $headers);
    $body = curl_exec($curl);
    $words = $body === false ? ['error', curl_error($curl)]
        : [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $fields['content-type'] ?? '',
        $fields['x-answer'] ?? '', base64_encode($body), curl_getinfo($curl, CURLINFO_EFFECTIVE_URL)];
    echo implode("\t", preg_replace('/\s+/', ' ', $words)), "\n";
}
