// Made by `make types` from migrations/. Do not edit.
export type Json =
  | string
  | number
  | boolean
  | null
  | { [key: string]: Json | undefined }
  | Json[]

export type Database = {
  public: {
    Tables: {
      matrx_feed: {
        Row: {
          forgotten_event_id: number
          forgotten_xid: unknown
          generation: number
          only_row: boolean
        }
        Insert: {
          forgotten_event_id?: number
          forgotten_xid?: unknown
          generation?: number
          only_row?: boolean
        }
        Update: {
          forgotten_event_id?: number
          forgotten_xid?: unknown
          generation?: number
          only_row?: boolean
        }
        Relationships: []
      }
      matrx_hosts: {
        Row: {
          clean_at: string | null
          installation: string
          last_seen_at: string
          name: string
        }
        Insert: {
          clean_at?: string | null
          installation: string
          last_seen_at: string
          name: string
        }
        Update: {
          clean_at?: string | null
          installation?: string
          last_seen_at?: string
          name?: string
        }
        Relationships: []
      }
      matrx_idempotency_keys: {
        Row: {
          created_at: string
          fingerprint: string
          key: string
          sandbox_id: string
        }
        Insert: {
          created_at?: string
          fingerprint: string
          key: string
          sandbox_id: string
        }
        Update: {
          created_at?: string
          fingerprint?: string
          key?: string
          sandbox_id?: string
        }
        Relationships: []
      }
      matrx_leases: {
        Row: {
          expires_at: string
          holder: string
          name: string
        }
        Insert: {
          expires_at: string
          holder: string
          name: string
        }
        Update: {
          expires_at?: string
          holder?: string
          name?: string
        }
        Relationships: []
      }
      matrx_schema: {
        Row: {
          applied_at: string
          version: number
        }
        Insert: {
          applied_at?: string
          version: number
        }
        Update: {
          applied_at?: string
          version?: number
        }
        Relationships: []
      }
      sandbox_events: {
        Row: {
          actor: string
          at: string
          detail: string
          event_id: number
          sandbox_id: string
          status: string
          type: string
          xid: unknown
        }
        Insert: {
          actor: string
          at?: string
          detail?: string
          event_id?: never
          sandbox_id: string
          status: string
          type: string
          xid?: unknown
        }
        Update: {
          actor?: string
          at?: string
          detail?: string
          event_id?: never
          sandbox_id?: string
          status?: string
          type?: string
          xid?: unknown
        }
        Relationships: [
          {
            foreignKeyName: "sandbox_events_sandbox_id_fkey"
            columns: ["sandbox_id"]
            isOneToOne: false
            referencedRelation: "sandbox_instances"
            referencedColumns: ["sandbox_id"]
          },
        ]
      }
      sandbox_instances: {
        Row: {
          cold_path: string
          config: Json
          container_id: string | null
          cpu: number
          created_at: string
          expires_at: string
          hot_path: string
          idle_timeout_seconds: number
          image: string
          installation: string
          labels: Json
          last_active_at: string | null
          last_heartbeat_at: string | null
          memory_bytes: number
          name: string | null
          paused_at: string | null
          pids: number
          sandbox_id: string
          status: string
          status_detail: string | null
          stop_deadline_at: string | null
          stop_graceful: boolean
          stop_reason: string | null
          stopped_at: string | null
          storage_detail: string | null
          storage_state: string
          template_id: string
          ttl_seconds: number
          updated_at: string
          user_id: string
          version: number
        }
        Insert: {
          cold_path: string
          config?: Json
          container_id?: string | null
          cpu: number
          created_at?: string
          expires_at: string
          hot_path: string
          idle_timeout_seconds?: number
          image: string
          installation: string
          labels?: Json
          last_active_at?: string | null
          last_heartbeat_at?: string | null
          memory_bytes: number
          name?: string | null
          paused_at?: string | null
          pids: number
          sandbox_id: string
          status?: string
          status_detail?: string | null
          stop_deadline_at?: string | null
          stop_graceful?: boolean
          stop_reason?: string | null
          stopped_at?: string | null
          storage_detail?: string | null
          storage_state?: string
          template_id: string
          ttl_seconds: number
          updated_at?: string
          user_id: string
          version?: number
        }
        Update: {
          cold_path?: string
          config?: Json
          container_id?: string | null
          cpu?: number
          created_at?: string
          expires_at?: string
          hot_path?: string
          idle_timeout_seconds?: number
          image?: string
          installation?: string
          labels?: Json
          last_active_at?: string | null
          last_heartbeat_at?: string | null
          memory_bytes?: number
          name?: string | null
          paused_at?: string | null
          pids?: number
          sandbox_id?: string
          status?: string
          status_detail?: string | null
          stop_deadline_at?: string | null
          stop_graceful?: boolean
          stop_reason?: string | null
          stopped_at?: string | null
          storage_detail?: string | null
          storage_state?: string
          template_id?: string
          ttl_seconds?: number
          updated_at?: string
          user_id?: string
          version?: number
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      [_ in never]: never
    }
    Enums: {
      [_ in never]: never
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type PublicTables = Database["public"]["Tables"]

export type Tables<Name extends keyof PublicTables> = PublicTables[Name]["Row"]
export type TablesInsert<Name extends keyof PublicTables> = PublicTables[Name]["Insert"]
export type TablesUpdate<Name extends keyof PublicTables> = PublicTables[Name]["Update"]
