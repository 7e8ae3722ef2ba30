// The page of the REST interface: what /openapi.json describes, to be read and tried.
window.SwaggerUIBundle({
    url: '/openapi.json',
    dom_id: '#swagger-ui',
    deepLinking: true,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: 'BaseLayout', // without the bar that explores other addresses
});
