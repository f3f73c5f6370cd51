CREATE TABLE "alerts" (
	"id" text PRIMARY KEY NOT NULL,
	"model" text NOT NULL,
	"version" integer NOT NULL,
	"statistic" text NOT NULL,
	"state" text NOT NULL,
	"opened_at" bigint NOT NULL,
	"cleared_at" bigint,
	"job_id" text,
	"body" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" bigint NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"words" text NOT NULL,
	"previous" text NOT NULL,
	"hash" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "desired" (
	"device" text PRIMARY KEY NOT NULL,
	"rev" integer NOT NULL,
	"models" jsonb NOT NULL,
	"samples_per_window" integer DEFAULT 0 NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "detectors" (
	"model" text NOT NULL,
	"version" integer NOT NULL,
	"statistic" text NOT NULL,
	"state" jsonb NOT NULL,
	"updated_at" bigint NOT NULL,
	CONSTRAINT "detectors_model_version_statistic_pk" PRIMARY KEY("model","version","statistic")
);
--> statement-breakpoint
CREATE TABLE "devices" (
	"id" text PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"hello" jsonb NOT NULL,
	"certificate_serial" text NOT NULL,
	"previous_serial" text,
	"certificate_expires_at" bigint NOT NULL,
	"joined_at" bigint NOT NULL,
	"online" boolean DEFAULT false NOT NULL,
	"boot" text,
	"conn" integer DEFAULT 0 NOT NULL,
	"last_seen_at" bigint,
	"reported" jsonb,
	"reported_at" bigint,
	"windows_received" bigint DEFAULT 0 NOT NULL,
	"windows_missing" bigint DEFAULT 0 NOT NULL,
	"windows_dropped" bigint DEFAULT 0 NOT NULL,
	"refused_count" bigint DEFAULT 0 NOT NULL,
	"refused_code" text
);
--> statement-breakpoint
CREATE TABLE "enrolments" (
	"hash" text PRIMARY KEY NOT NULL,
	"name" text,
	"created_by" text NOT NULL,
	"expires_at" bigint NOT NULL,
	"used_at" bigint,
	"device" text,
	"key_hash" text
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"model" text NOT NULL,
	"status" text NOT NULL,
	"params" jsonb NOT NULL,
	"stage" text DEFAULT '' NOT NULL,
	"fraction" double precision DEFAULT 0 NOT NULL,
	"message" text DEFAULT '' NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"lease_until" bigint,
	"worker" text,
	"cancel_wanted" boolean DEFAULT false NOT NULL,
	"not_before" bigint NOT NULL,
	"created_at" bigint NOT NULL,
	"created_by" text NOT NULL,
	"started_at" bigint,
	"finished_at" bigint,
	"version" integer,
	"metrics" jsonb NOT NULL,
	"error" jsonb,
	"log" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "meta" (
	"key" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "models" (
	"name" text PRIMARY KEY NOT NULL,
	"created_at" bigint NOT NULL,
	"champion" integer
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"subject" text NOT NULL,
	"created_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rollouts" (
	"id" text PRIMARY KEY NOT NULL,
	"model" text NOT NULL,
	"version" integer NOT NULL,
	"previous" integer,
	"status" text NOT NULL,
	"cas" integer NOT NULL,
	"state" jsonb NOT NULL,
	"verdict" jsonb,
	"history" jsonb NOT NULL,
	"created_at" bigint NOT NULL,
	"created_by" text NOT NULL,
	"updated_at" bigint NOT NULL,
	"finished_at" bigint
);
--> statement-breakpoint
CREATE TABLE "samples" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"device" text NOT NULL,
	"boot" text NOT NULL,
	"seq" bigint NOT NULL,
	"model" text NOT NULL,
	"version" integer NOT NULL,
	"taken_at" bigint NOT NULL,
	"height" integer NOT NULL,
	"width" integer NOT NULL,
	"channels" integer NOT NULL,
	"predicted" integer NOT NULL,
	"confidence" double precision NOT NULL,
	"truth" integer,
	"truth_origin" text,
	"pixels" "bytea" NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"hash" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sign_in_codes" (
	"hash" text PRIMARY KEY NOT NULL,
	"role" text NOT NULL,
	"expires_at" bigint NOT NULL,
	"used_at" bigint
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"hash" text NOT NULL,
	"created_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"last_used_at" bigint,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "versions" (
	"model" text NOT NULL,
	"version" integer NOT NULL,
	"manifest" text NOT NULL,
	"manifest_bytes" integer NOT NULL,
	"bundle_bytes" bigint NOT NULL,
	"document" jsonb NOT NULL,
	"created_at" bigint NOT NULL,
	"created_by" text NOT NULL,
	"origin" text NOT NULL,
	"note" text DEFAULT '' NOT NULL,
	"job_id" text,
	"metrics" jsonb NOT NULL,
	"gate" jsonb,
	"signed_by" text NOT NULL,
	CONSTRAINT "versions_model_version_pk" PRIMARY KEY("model","version")
);
--> statement-breakpoint
CREATE TABLE "windows" (
	"device" text NOT NULL,
	"boot" text NOT NULL,
	"seq" bigint NOT NULL,
	"model" text NOT NULL,
	"version" integer NOT NULL,
	"from_at" bigint NOT NULL,
	"to_at" bigint NOT NULL,
	"received_at" bigint NOT NULL,
	"run" integer NOT NULL,
	"bad" integer NOT NULL,
	"judged" integer NOT NULL,
	"wrong" integer NOT NULL,
	"p50_ms" double precision,
	"p95_ms" double precision,
	"drift" double precision,
	"drift_statistic" text,
	"body" "bytea" NOT NULL,
	CONSTRAINT "windows_device_boot_seq_pk" PRIMARY KEY("device","boot","seq")
);
--> statement-breakpoint
CREATE INDEX "alerts_by_state" ON "alerts" USING btree ("state","opened_at");--> statement-breakpoint
CREATE INDEX "devices_online" ON "devices" USING btree ("online");--> statement-breakpoint
CREATE INDEX "jobs_by_status" ON "jobs" USING btree ("status","not_before");--> statement-breakpoint
CREATE INDEX "rollouts_by_model" ON "rollouts" USING btree ("model","created_at");--> statement-breakpoint
CREATE INDEX "rollouts_by_status" ON "rollouts" USING btree ("status");--> statement-breakpoint
CREATE UNIQUE INDEX "samples_once" ON "samples" USING btree ("device","boot","seq");--> statement-breakpoint
CREATE INDEX "samples_by_model" ON "samples" USING btree ("model","taken_at");--> statement-breakpoint
CREATE INDEX "windows_by_version" ON "windows" USING btree ("model","version","to_at");--> statement-breakpoint
CREATE INDEX "windows_by_device" ON "windows" USING btree ("device","to_at");--> statement-breakpoint
CREATE INDEX "windows_by_time" ON "windows" USING btree ("received_at");