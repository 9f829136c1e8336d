import { extendZodWithOpenApi } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';

// Every schema of this room is made from this `z`, so that it can say of itself what the OpenAPI document needs.
extendZodWithOpenApi(z);

export { z };
