import { join } from 'node:path';
import { Router, type Response } from 'express';
import swaggerUiFolder from 'swagger-ui-dist/absolute-path';
import type { HttpDeps } from './deps';
import { openApiDocument } from './openapi';
import { route } from './routes';

/** What the page needs of Swagger UI; nothing else of its package is served. */
const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'] as const;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>aftercommit API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/init.js"></script>
</body>
</html>
`;

/** A file of its own, because the content security policy allows no inline script. The validator badge would ask the internet. */
const INIT = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
});
`;

/** The OpenAPI document and Swagger UI over it, all from this process: the page asks nobody else for anything. */
export function docsRouter({ version, publicUrl }: Pick<HttpDeps, 'version' | 'publicUrl'>): Router {
  const router = Router();
  const document = openApiDocument(version, publicUrl);
  route(router, '/openapi.json', { get: { handle: (_req, res) => void res.json(document) } });
  route(router, '/docs', { get: { handle: (_req, res) => void res.type('html').send(PAGE) } });
  route(router, '/docs/init.js', {
    get: { handle: (_req, res) => void res.type('text/javascript').send(INIT) },
  });
  for (const file of FILES) {
    route(router, `/docs/${file}`, { get: { handle: (_req, res) => sendFile(res, file) } });
  }
  return router;
}

function sendFile(res: Response, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    res.sendFile(join(swaggerUiFolder(), file), { maxAge: '1h' }, (error: Error | undefined) => {
      // A reader that went away is no failure of ours.
      if (error === undefined || res.headersSent) resolve();
      else reject(error);
    });
  });
}
